"""What operators do about messages that do not go through.

By REST, by commands, and by what they see in metrics.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from fhir_server.__main__ import main
from tests.adapters.receiver import Receiver, saying
from tests.fhir_server.hl7v2.told import Told, telling


@pytest.fixture
def told(mongo_url: str, tmp_path: Path) -> Iterator[Told]:
    """A hospital whose first message was refused."""
    there = Receiver([saying("AE", "204"), saying("AA")])
    with telling(mongo_url, tmp_path, {"adt": there}) as found:
        found.patient("p1")
        found.wait("parked", 1)
        yield found


def _body(**values: str) -> dict[str, Any]:
    listed = [{"name": name, "valueString": value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": listed}


def _command(told: Told, mongo_url: str, *words: str) -> Result:
    environment = {"FHIR_MONGO_URL": mongo_url, "FHIR_DATABASE": told.database.name, "FHIR_AUTH": "off"}
    return CliRunner().invoke(main, ["hl7v2", "outbox", *words], env=environment)


def test_operators_see_and_resend_by_rest(told: Told) -> None:
    """The list has no text, the message has; what is sent again has the same bytes."""
    listed = told.http.get("/$hl7v2-outbox").raise_for_status().json()
    [message] = listed["parameter"]
    parts = {one["name"]: next(v for k, v in one.items() if k != "name") for one in message["part"]}
    assert (parts["kind"], parts["state"], parts["answer"]) == ("ADT^A28", "parked", "AE")
    assert parts["subject"] == {"reference": "Patient/p1"}
    assert "Invented" not in str(listed)
    shown = told.http.get("/$hl7v2-outbox-show", params={"id": parts["id"]}).raise_for_status().json()
    segments = [one["valueString"] for one in shown["parameter"] if one["name"] == "segment"]
    assert segments[0].startswith("MSH|")
    assert "Invented p1" in segments[2]
    told.http.post("/$hl7v2-outbox-resend", json=_body(id=parts["id"])).raise_for_status()
    told.wait("sent", 1)
    first, again = told.receivers["adt"].received
    assert first.data == again.data
    assert told.http.get("/$hl7v2-outbox").json() == {"resourceType": "Parameters"}


def test_what_cannot_be_done_is_refused(told: Told) -> None:
    """An unknown id, an unknown state, and a message that is done are told as such."""
    assert told.http.get("/$hl7v2-outbox-show", params={"id": "no"}).status_code == 404
    assert told.http.get("/$hl7v2-outbox-show").status_code == 400
    assert told.http.get("/$hl7v2-outbox", params={"state": "lost"}).status_code == 400
    [parked] = told.outbox(state="parked")
    told.http.post("/$hl7v2-outbox-discard", json=_body(id=parked["_id"])).raise_for_status()
    again = told.http.post("/$hl7v2-outbox-discard", json=_body(id=parked["_id"]))
    assert again.status_code == 409


def test_operators_work_by_commands(told: Told, mongo_url: str) -> None:
    """The same beside the server, or without one."""
    [parked] = told.outbox(state="parked")
    listed = _command(told, mongo_url, "list")
    assert parked["_id"] in listed.output
    assert "Invented" not in listed.output
    assert "Invented p1" in _command(told, mongo_url, "show", parked["_id"]).output
    assert _command(told, mongo_url, "show", "no").exit_code == 1
    assert _command(told, mongo_url, "resend", parked["_id"]).exit_code == 0
    told.wait("sent", 1)
    assert _command(told, mongo_url, "discard", parked["_id"]).exit_code == 1
    assert (
        "1 messages." in _command(told, mongo_url, "list", "--state", "sent", "--destination", "adt").output
    )


def test_metrics_tell_what_waits(told: Told) -> None:
    """By destination, and without anything of a patient."""
    url = str(told.http.base_url).replace("/fhir/", "/metrics")
    text = httpx.get(url).raise_for_status().text
    assert 'fhir_hl7v2_outbox_parked{destination="adt"} 1.0' in text
    assert 'fhir_hl7v2_sent_total{destination="adt",result="park"}' in text


def test_a_ticket_tells_operators(told: Told) -> None:
    """Within a moment there is a support ticket, which names the destination and no patient."""
    for _ in range(200):
        found = told.http.get("/Task", params={"code": "support"}).json()
        if found.get("entry"):
            break
        time.sleep(0.05)
    [task] = [one["resource"] for one in found["entry"]]
    assert "adt" in task["description"]
    assert "p1" not in str(task["description"])
