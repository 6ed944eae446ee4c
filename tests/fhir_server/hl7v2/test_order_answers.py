"""What a laboratory answers to an order: its Task and the outbox follow, who ordered hears of a refusal."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.destinations import Destination
from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.hl7v2.answering import answered
from fhir_server.identifiers import new_id
from fhir_server.routes import match
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.workflows.modes import Modes
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook, ruled
from hl7.framing import frame
from hl7.message import Message
from hl7.order_answers import acknowledge_orders
from hl7.parser import parse
from tests.adapters.receiver import Receiver, saying
from tests.fhir_server.hl7v2.told import Told, destination, telling

Resource = dict[str, Any]


def _answering(code: str, *controls: str) -> Callable[[Message, socket.socket], None]:
    """Return what answers orders with ORL, the first with the first of `controls`, and so on."""
    left = list(controls)

    def answer(message: Message, connection: socket.socket) -> None:
        if message.header.message_code not in ("OML", "RDE"):
            saying("AA")(message, connection)
            return
        control = left.pop(0) if len(left) > 1 else left[0]
        data = acknowledge_orders(message, code, [control], now=datetime.now(UTC), control_id="L1")
        placer = message.first("ORC")
        assert placer is not None
        data = data.replace(f"|{placer[2].raw}\r".encode(), f"|{placer[2].raw}|F77^GENHOSP\r".encode(), 1)
        connection.sendall(frame(data))

    return answer


def _order(told: Told, status: str = "active") -> Resource:
    return told.put(
        {
            "resourceType": "ServiceRequest",
            "id": "sr1",
            "status": status,
            "intent": "order",
            "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "108252007"}]}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "58410-2"}]},
            "subject": {"reference": "Patient/p1"},
            "requester": {"reference": "Practitioner/d1"},
        }
    )


def _hospital(told: Told) -> None:
    told.patient("p1")
    told.put({"resourceType": "Practitioner", "id": "d1", "active": True, "name": [{"family": "Weiß"}]})


def _task(told: Told) -> Resource:
    found = told.http.get("/Task", params={"focus": "ServiceRequest/sr1"}).raise_for_status().json()
    task: Resource = found["entry"][0]["resource"]
    return task


def test_an_order_that_is_taken(mongo_url: str, tmp_path: Path) -> None:
    """OK makes the Task accepted, and the number of the laboratory stays with the order."""
    lab = Receiver([_answering("AA", "OK")])
    with telling(mongo_url, tmp_path, {"lab": lab}) as told:
        _hospital(told)
        _order(told)
        lab.wait_for(2)
        told.wait("sent", 2)
        assert _task(told)["status"] == "accepted"
        order = told.http.get("/ServiceRequest/sr1").json()
        [number] = order["identifier"]
        assert (number["value"], number["system"]) == ("F77", "urn:oid:2.999.1.1")
        # That the number was added is nothing to tell the laboratory of; a cancellation has it.
        order["status"] = "revoked"
        told.put(order)
        lab.wait_for(3)
        orc = lab.received[-1].first("ORC")
        assert orc is not None
        assert (orc.get(1), orc.get(2), orc.get(3)) == ("CA", "sr1", "F77")


def test_an_order_that_is_not_taken(mongo_url: str, tmp_path: Path) -> None:
    """UA rejects the Task; who ordered is told, and the message waits for a person."""
    lab = Receiver([_answering("AE", "UA")])
    with telling(mongo_url, tmp_path, {"lab": lab}) as told:
        _hospital(told)
        _order(told)
        [parked] = told.wait("parked", 1)
        assert parked["kind"] == "OML^O21"
        assert _task(told)["status"] == "rejected"
        notices = told.database["agenda"].find({"action": "W14.notify", "data.kind": "W19.order-not-taken"})
        assert [one["data"]["recipient"] for one in notices] == ["Practitioner/d1"]


def _for_staff(told: Told) -> list[Resource]:
    found = told.http.get("/Task", params={"code": "not-done"}).raise_for_status().json()
    return [one["resource"] for one in found.get("entry", ())]


def _answered_so(told: Told, status: str) -> tuple[Resource, list[dict[str, Any]]]:
    """Change the status of an order that was taken; return it, and what operators see in the outbox."""
    told.wait("sent", 2)
    order = told.http.get("/ServiceRequest/sr1").json()
    told.put({**order, "status": status})
    told.wait("sent", 3)
    return told.http.get("/ServiceRequest/sr1").json(), [one for one in told.outbox() if one["problem"]]


@pytest.mark.parametrize("receiving", ["LAB", ""])
def test_a_cancellation_that_comes_too_late(mongo_url: str, tmp_path: Path, receiving: str) -> None:
    """UC: the order is carried out, and so is active; who cancelled, staff and operators learn of it.

    It is not ordered once more, whether or not the laboratory has a name; another cancellation goes out.
    """
    lab = Receiver([_answering("AA", "OK", "UC")])
    file = destination("lab", lab.port, receiving_application=f'"{receiving}"')
    with telling(mongo_url, tmp_path, {"lab": lab}, file) as told:
        _hospital(told)
        _order(told)
        order, problems = _answered_so(told, "revoked")
        assert told.database["agenda"].count_documents({"data.kind": "W19.order-not-taken"}) == 1
        assert (order["status"], _task(told)["status"]) == ("active", "accepted")
        [staff] = _for_staff(told)
        assert (staff["status"], staff["priority"]) == ("requested", "urgent")
        assert staff["basedOn"] == [{"reference": "ServiceRequest/sr1"}]
        [problem] = problems
        assert problem["state"] == "sent"
        assert "UC" in problem["problem"]
        told.put({**order, "status": "revoked"})
        told.wait("sent", 4)
        controls = [one.all("ORC")[0].get(1) for one in lab.received if one.header.message_code == "OML"]
        assert controls == ["NW", "CA", "CA"]
        assert len(_for_staff(told)) == 2


@pytest.mark.parametrize(
    ("control", "status", "becomes"), [("UH", "on-hold", "active"), ("CR", "revoked", "revoked")]
)
def test_what_else_is_answered_to_a_change(
    mongo_url: str, tmp_path: Path, control: str, status: str, becomes: str
) -> None:
    """Who is unable to hold an order goes on with it; what was cancelled stays so, and nobody has to look."""
    lab = Receiver([_answering("AA", "OK", control)])
    with telling(mongo_url, tmp_path, {"lab": lab}) as told:
        _hospital(told)
        _order(told)
        order, problems = _answered_so(told, status)
        assert order["status"] == becomes
        assert len(_for_staff(told)) == len(problems) == (1 if control == "UH" else 0)


def test_a_prescription_that_was_stopped_stays_so(mongo_url: str, tmp_path: Path) -> None:
    """UD: no answer puts a prescription in force again; staff and who prescribed are told to look."""
    pharmacy = Receiver([_answering("AA", "OK", "UD")])
    with telling(mongo_url, tmp_path, {"pharmacy": pharmacy}, workflows_off="W6") as told:
        _hospital(told)
        request = {
            "resourceType": "MedicationRequest",
            "id": "mr1",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "Amlodipine"},
            "subject": {"reference": "Patient/p1"},
            "requester": {"reference": "Practitioner/d1"},
        }
        told.put(request)
        told.wait("sent", 2)
        told.put({**request, "status": "stopped"})
        told.wait("sent", 3)
        assert told.http.get("/MedicationRequest/mr1").json()["status"] == "stopped"
        [staff] = _for_staff(told)
        assert staff["basedOn"] == [{"reference": "MedicationRequest/mr1"}]
        assert told.database["agenda"].count_documents({"data.kind": "W19.order-not-taken"}) == 1


def test_an_older_system_gets_the_older_order(mongo_url: str, tmp_path: Path) -> None:
    """Version 2.3.1 knows no OML: it is ORM^O01."""
    lab = Receiver()
    file = destination("lab", lab.port, version='"2.3.1"', charset='"8859/1"', messages='["OML^O21"]')
    with telling(mongo_url, tmp_path, {"lab": lab}, file) as told:
        _hospital(told)
        _order(told)
        lab.wait_for(1)
        assert lab.events == ["ORM^O01"]
        assert "Weiß".encode("latin-1") in lab.received[0].data


def test_a_correction_of_a_result_is_told_with_its_report(mongo_url: str, tmp_path: Path) -> None:
    """An Observation that is corrected goes out again in the report that has it."""
    lab = Receiver()
    with telling(mongo_url, tmp_path, {"lab": lab}, destination("lab", lab.port, messages='["ORU"]')) as told:
        _hospital(told)
        about = {"subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2026-03-01T08:00:00Z"}
        result = {
            "resourceType": "Observation",
            "id": "o1",
            "status": "final",
            "code": {"text": "Hb"},
            "valueString": "13",
            **about,
        }
        report = {
            "resourceType": "DiagnosticReport",
            "id": "r1",
            "status": "final",
            "code": {"text": "CBC"},
            "result": [{"reference": "Observation/o1"}],
            **about,
        }
        told.put(result)
        told.put(report)
        lab.wait_for(1)
        told.put({**result, "status": "corrected", "valueString": "14"})
        lab.wait_for(2)
        values = []
        for one in lab.received:
            obx = one.first("OBX")
            assert obx is not None
            values.append((obx.get(5), obx.get(11)))
        assert values == [("13", "F"), ("14", "C")]


def test_an_answer_that_comes_to_our_own_listener(mongo_url: str, tmp_path: Path) -> None:
    """In enhanced mode the laboratory answers when it has looked.

    Task and outbox follow, and it gets no answer.
    """
    lab = Receiver([saying("CA")])
    channel = (
        '[[channel]]\nname = "lab"\nsending_application = "LAB"\nsending_facility = ""\n'
        'time_zone = "Europe/Berlin"\nauthorities = { GENHOSP = "urn:oid:2.999.1.1" }\n'
        f'[channel.destination]\nhost = "127.0.0.1"\nport = {lab.port}\nmessages = ["OML"]\nenhanced = true\n'
    )
    with telling(mongo_url, tmp_path, {"lab": lab}, channel) as told:
        _hospital(told)
        _order(told)
        told.wait("accepted", 1)
        late = acknowledge_orders(lab.received[0], "AA", ["OK"], now=datetime.now(UTC), control_id="L7")
        url = str(told.http.base_url).replace("/fhir/", "/hl7v2")
        headers = {"content-type": "application/hl7-v2"}
        answer = told.http.post(url, content=late, headers=headers)
        assert answer.is_success, answer.text
        told.wait("sent", 1)
        assert _task(told)["status"] == "accepted"
        [inbox] = told.database["hl7_inbox"].find()
        assert inbox["state"] == "applied"
        assert any(one.startswith("Task/") for one in inbox["references"])


def test_an_answer_that_comes_later_as_its_own_message(mongo_url: str, tmp_path: Path) -> None:
    """`answered` takes it from the right system only, and settles what was accepted before."""
    lab = Receiver([saying("CA")])
    with telling(mongo_url, tmp_path, {"lab": lab}, destination("lab", lab.port, enhanced="true")) as told:
        _hospital(told)
        _order(told)
        told.wait("accepted", 2)
        order = next(one for one in lab.received if one.header.message_code == "OML")
        late = acknowledge_orders(order, "AA", ["OK"], now=datetime.now(UTC), control_id="L9")
        assert asyncio.run(_answered(told, late.replace(b"|LAB||", b"|XXX||"), mongo_url)) is False
        assert asyncio.run(_answered(told, late, mongo_url)) is True
        told.wait("sent", 1)
        assert _task(told)["status"] == "accepted"


async def _answered(told: Told, data: bytes, mongo_url: str) -> bool:
    settings = Settings(mongo_url=mongo_url, database=told.database.name, auth="off")
    store = open_store(settings, mongo_url)
    try:
        now = datetime.now(UTC)
        context = Context(
            "http://server/fhir", store, settings, lambda: now, new_id, match, Jobs(store.async_jobs)
        )
        acting = ruled(context, RuleBook(PATTERNS, Modes(), store), is_reported=True)
        where = Destination("lab", messages=("OML",), receiving_application="LAB", enhanced=True)
        return (await answered(parse(data), acting, [where])).is_ours
    finally:
        await store.close()
