"""HL7 v2 over HTTP, and the operations of operators, at a whole server with tokens.

https://hapifhir.github.io/hapi-hl7v2/hapi-hl7overhttp/specification.html
"""

import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.applying import Apply
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings
from fhir_server.smart.oauth.operator_tokens import issue_token
from fhir_server.store import open_store
from fhir_server.workflows.clock import NewContext
from fhir_server.workflows.rulebook import RuleBook
from tests.adapters.senders import adt, code
from tests.fhir_server.conftest import running_server
from tests.fhir_server.hl7v2.applying import Log, applying

_TYPE = "x-application/hl7-v2+er7"
_CHANNELS = """
[[channel]]
name = "adt"
sending_application = "ADT"
sending_facility = "GENHOSP"
time_zone = "Europe/Berlin"
required_fields = ["PID-3"]
peers = ["client=fhir-server"]
"""
_LOG = Log()


def _id() -> str:
    return uuid.uuid4().hex[:12]


def _new_apply(new_context: NewContext, book: RuleBook) -> Apply:
    return applying(book.store, _LOG)


@pytest.fixture(scope="module")
def secured(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a server that takes messages, and asks for tokens."""
    path: Path = tmp_path_factory.mktemp("channels") / "channels.toml"
    path.write_text(_CHANNELS)
    given = settings.model_dump(exclude={"auth"})
    return Settings(**given | {"encryption_key": new_key(), "channels": path, "audit": "on"})


@pytest.fixture(scope="module")
def url(secured: Settings) -> Iterator[str]:
    """The address of such a server, without /fhir."""
    with running_server(secured, new_apply=_new_apply) as base_url:
        yield base_url.removesuffix("/fhir")


def _token(settings: Settings, scope: str) -> str:
    import asyncio
    from datetime import UTC, datetime

    async def issue() -> str:
        store = open_store(settings, str(settings.mongo_url))
        made = await issue_token(store.oauth.grants, scope, timedelta(hours=1), datetime.now(UTC))
        await store.close()
        return made.token

    return asyncio.run(issue())


@pytest.fixture(scope="module")
def sender(url: str, secured: Settings) -> Iterator[httpx.Client]:
    """A system that may send messages, and nothing else."""
    token = _token(secured, "system/MessageHeader.c")
    headers = {"authorization": f"Bearer {token}", "content-type": _TYPE}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def operator(url: str, secured: Settings) -> Iterator[httpx.Client]:
    """A program of the operators."""
    token = _token(secured, "system/*.cruds")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    with httpx.Client(base_url=f"{url}/fhir", headers=headers, timeout=60) as client:
        yield client


def _named(parts: list[dict[str, Any]], name: str) -> list[Any]:
    found = [one for one in parts if one["name"] == name]
    return [next((value for key, value in one.items() if key != "name"), None) for one in found]


def _messages(operator: httpx.Client, **which: str) -> list[list[dict[str, Any]]]:
    answer = operator.get("/$hl7v2-messages", params=which)
    assert answer.status_code == 200, answer.text
    return _named(answer.json().get("parameter", []), "message")


def _call(operator: httpx.Client, operation: str, **given: str | bool) -> httpx.Response:
    values = [
        {"name": name.replace("_", "-")}
        | ({"valueBoolean": one} if isinstance(one, bool) else {"valueString": one})
        for name, one in given.items()
    ]
    return operator.post(f"/${operation}", json={"resourceType": "Parameters", "parameter": values})


def _wait_for_state(operator: httpx.Client, control_id: str, state: str) -> None:
    deadline = time.monotonic() + 30
    while _named(_messages(operator, **{"control-id": control_id})[0], "status") != [state]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("content_type", [_TYPE, "application/hl7-v2", "application/hl7-v2; charset=utf-8"])
def test_a_message_is_a_body_and_its_acknowledgment_the_answer(
    sender: httpx.Client, content_type: str
) -> None:
    """200, as HL7 v2, whatever type of HL7 v2 the sender says."""
    answer = sender.post("/hl7v2", content=adt(_id()), headers={"content-type": content_type})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(_TYPE)
    assert code(answer.content) == "AA"


def test_a_refusal_is_a_success_of_the_transport(sender: httpx.Client) -> None:
    """AE and AR come with 200, as the specification says."""
    assert code(sender.post("/hl7v2", content=adt(_id(), name="REFUSE")).content) == "AE"
    answer = sender.post("/hl7v2", content=adt(_id(), sender="NOBODY|X"))
    assert answer.status_code == 200
    assert code(answer.content) == "AR"


def test_enhanced_mode_gets_the_application_acknowledgment_if_it_wants_one(sender: httpx.Client) -> None:
    """There is one answer: that the message is safe is said by it, too."""
    both = sender.post("/hl7v2", content=adt(_id(), accept="AL", application="AL"))
    assert code(both.content) == "AA"
    assert code(sender.post("/hl7v2", content=adt(_id(), accept="AL")).content) == "CA"
    assert sender.post("/hl7v2", content=adt(_id(), accept="NE", application="NE")).status_code == 204


def test_what_is_no_message_is_refused(sender: httpx.Client) -> None:
    """400 without MSH, 415 for another type, 405 for another method."""
    assert sender.post("/hl7v2", content=b"hello").status_code == 400
    answer = sender.post("/hl7v2", content=b"{}", headers={"content-type": "application/json"})
    assert answer.status_code == 415
    assert sender.get("/hl7v2").status_code == 405


def test_messages_need_a_token_with_their_scope(url: str, secured: Settings) -> None:
    """401 without one, 403 with another scope."""
    headers = {"content-type": _TYPE}
    answer = httpx.post(f"{url}/hl7v2", content=adt(_id()), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    for scope in ("system/Patient.cruds", "system/MessageHeader.rs"):
        headers["authorization"] = f"Bearer {_token(secured, scope)}"
        assert httpx.post(f"{url}/hl7v2", content=adt(_id()), headers=headers).status_code == 403


def test_a_sender_of_messages_sees_none(sender: httpx.Client) -> None:
    """Its scope is for sending: the operations are for operators."""
    assert sender.get("/fhir/$hl7v2-messages").status_code == 403


def test_messages_are_listed_by_where_they_are(sender: httpx.Client, operator: httpx.Client) -> None:
    """By status, channel, time and control id; nothing of the person is in the list."""
    control_id = _id()
    sender.post("/hl7v2", content=adt(control_id, name="REFUSE", person="MRN-1"))
    [found] = _messages(operator, **{"control-id": control_id})
    assert _named(found, "status") == ["refused"]
    assert _named(found, "channel") == ["adt"]
    assert _named(found, "event") == ["ADT^A08"]
    assert _named(found, "peer") == ["fhir-server"]
    [reason] = _named(found, "reason")
    assert _named(reason, "code") == ["204"]
    assert "MRN-1" not in repr(found)
    everything = {"status": "refused", "channel": "adt", "since": "2020-01-01", "limit": "5"}
    assert 1 <= len(_messages(operator, **everything)) <= 5
    assert _messages(operator, until="2020-01-01") == []
    assert operator.get("/$hl7v2-messages", params={"status": "lost"}).status_code == 400


def test_a_message_is_shown_and_that_is_on_record(sender: httpx.Client, operator: httpx.Client) -> None:
    """Content and reasons; the audit log says who looked."""
    control_id = _id()
    message = adt(control_id, name="REFUSE")
    sender.post("/hl7v2", content=message)
    [entry_id] = _named(_messages(operator, **{"control-id": control_id})[0], "id")
    answer = operator.get("/$hl7v2-message", params={"id": entry_id})
    [shown] = _named(answer.json()["parameter"], "message")
    assert _named(shown, "content") == [message.decode()]
    events = operator.get("/AuditEvent", params={"_count": "50", "_sort": "-date"}).json()["entry"]
    assert any(f"Message {entry_id}" in repr(one) and "hl7v2-show" in repr(one) for one in events)
    assert operator.get("/$hl7v2-message", params={"id": "nothing"}).status_code == 404


def test_an_edited_message_is_tried_again_and_the_first_one_stays(
    sender: httpx.Client, operator: httpx.Client
) -> None:
    """It is applied as it was edited; what came, and who edited it, stands beside it."""
    control_id = _id()
    message = adt(control_id, name="REFUSE")
    sender.post("/hl7v2", content=message)
    [entry_id] = _named(_messages(operator, **{"control-id": control_id})[0], "id")
    edited = message.decode().replace("REFUSE", "Muster^Müller").replace("\r", "\n")
    answer = _call(operator, "hl7v2-resubmit", id=entry_id, content=edited)
    assert answer.status_code == 200, answer.text
    _wait_for_state(operator, control_id, "applied")
    [shown] = _named(operator.get("/$hl7v2-message", params={"id": entry_id}).json()["parameter"], "message")
    assert _named(shown, "content") == [message.decode()]
    assert _named(shown, "edited") == [edited.replace("\n", "\r")]
    [edit] = _named(shown, "edit")
    assert _named(edit, "kind") == ["edit"]
    assert _named(edit, "who") == ["fhir-server"]
    assert code(sender.post("/hl7v2", content=message).content) == "AA"  # the answer of now


def test_a_message_is_tried_again_as_it_came(sender: httpx.Client, operator: httpx.Client) -> None:
    """What was wrong here may be right by now."""
    control_id = _id()
    sender.post("/hl7v2", content=adt(control_id, name="BUG"))
    [entry_id] = _named(_messages(operator, **{"control-id": control_id})[0], "id")
    before = _LOG.tries[control_id]
    assert _call(operator, "hl7v2-resubmit", id=entry_id).status_code == 200
    deadline = time.monotonic() + 30
    while _LOG.tries[control_id] == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    _wait_for_state(operator, control_id, "refused")


def test_a_message_is_put_away_with_a_reason(sender: httpx.Client, operator: httpx.Client) -> None:
    """It is discarded, can be shown, and is neither tried again nor discarded twice."""
    control_id = _id()
    sender.post("/hl7v2", content=adt(control_id, name="REFUSE"))
    [entry_id] = _named(_messages(operator, **{"control-id": control_id})[0], "id")
    assert _call(operator, "hl7v2-discard", id=entry_id).status_code == 400
    assert _call(operator, "hl7v2-discard", id=entry_id, reason="A test of the laboratory").status_code == 200
    assert _call(operator, "hl7v2-discard", id=entry_id, reason="Again").status_code == 409
    assert _call(operator, "hl7v2-resubmit", id=entry_id).status_code == 409
    [found] = _messages(operator, **{"control-id": control_id})
    assert _named(found, "status") == ["discarded"]


def test_messages_that_were_done_are_applied_anew(sender: httpx.Client, operator: httpx.Client) -> None:
    """By a range; without one nothing is."""
    control_id = _id()
    sender.post("/hl7v2", content=adt(control_id, name="UNCHANGED"))
    answer = _call(operator, "hl7v2-replay", control_id=control_id)
    assert answer.json()["parameter"] == [{"name": "count", "valueInteger": 1}]
    deadline = time.monotonic() + 30
    while _LOG.tries[control_id] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    _wait_for_state(operator, control_id, "unchanged")
    assert _call(operator, "hl7v2-replay").status_code == 400


def test_metrics_tell_of_messages_by_channel(url: str, sender: httpx.Client) -> None:
    """Received, answered, refused, and what waits."""
    sender.post("/hl7v2", content=adt(_id()))
    sender.post("/hl7v2", content=adt(_id(), name="REFUSE"))
    sender.post("/hl7v2", content=adt(_id(), name="WARN"))
    text = httpx.get(f"{url}/metrics").text
    for line in (
        'fhir_hl7v2_received_total{channel="adt"}',
        'fhir_hl7v2_answered_total{channel="adt",code="AA"}',
        'fhir_hl7v2_refused_total{channel="adt",code="204"}',
        'fhir_hl7v2_warnings_total{channel="adt",code="207"}',
        'fhir_hl7v2_quarantined_messages{channel="adt"}',
        "fhir_hl7v2_lag_seconds",
    ):
        assert line in text
