"""What happens in FHIR is told to other systems.

In the transaction, in order, at least once, and never to loops.
"""

import socket
import time
from pathlib import Path

import pytest

from hl7.framing import frame
from hl7.message import Message
from tests.adapters import receiver
from tests.adapters.receiver import Receiver, saying
from tests.fhir_server.hl7v2.told import destination, hospital_number, telling


def test_a_change_is_told_once(mongo_url: str, tmp_path: Path) -> None:
    """A new patient is A28, a change is A31, and what changes nothing is not told."""
    with telling(mongo_url, tmp_path, {"adt": Receiver()}) as told:
        told.patient("p1")
        told.patient("p1", gender="female")
        told.patient("p1", gender="female")
        told.wait("sent", 2)
        there = told.receivers["adt"]
        assert there.events == ["ADT^A28", "ADT^A31"]
        assert there.received[1].first("PID").get(8) == "F"  # type: ignore[union-attr]
        assert hospital_number(there.received[0]) == "p1"
        [first, second] = told.outbox()
        assert (first["sequence"], second["sequence"]) == (1, 2)
        assert [one["_id"] for one in told.outbox()] == there.control_ids
        assert first["answer"] == {"code": "AA", "errors": []}
        # The text is encrypted: nobody finds a name in the database.
        assert b"Invented" not in bytes(first["data"])


def test_what_is_refused_is_told_to_nobody(mongo_url: str, tmp_path: Path) -> None:
    """A transaction that fails leaves nothing in the outbox."""
    with telling(mongo_url, tmp_path, {"adt": Receiver()}) as told:
        entries = [
            {
                "resource": {"resourceType": "Patient", "id": "p1"},
                "request": {"method": "PUT", "url": "Patient/p1"},
            },
            {
                "resource": {"resourceType": "Patient", "id": "p2"},
                "request": {"method": "PUT", "url": "Patient/p2", "ifMatch": 'W/"7"'},
            },
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert told.http.post("", json=bundle).status_code == 412
        assert told.outbox() == []


def test_an_error_waits_for_a_person_and_the_next_goes_on(mongo_url: str, tmp_path: Path) -> None:
    """AE is never sent again by itself.

    Operators are told by a ticket, and the patient's next message goes.
    """
    there = Receiver([saying("AE", "101"), saying("AA")])
    with telling(mongo_url, tmp_path, {"adt": there}) as told:
        told.patient("p1")
        told.patient("p1", gender="male")
        [parked] = told.wait("parked", 1)
        told.wait("sent", 1)
        assert there.events == ["ADT^A28", "ADT^A31"]
        assert parked["problem"] == "AE 101"
        assert parked["answer"]["errors"][0]["code"] == "101"
        assert told.database["agenda"].count_documents({"action": "W19.alert"}) == 1


def test_held_messages_wait_behind_one_that_was_refused(mongo_url: str, tmp_path: Path) -> None:
    """Where the hospital wants it, nothing of a patient goes past a message that was refused."""
    there = Receiver([saying("AE", "101"), saying("AA")])
    file = destination("adt", there.port, after_error='"hold"')
    with telling(mongo_url, tmp_path, {"adt": there}, file) as told:
        told.patient("p1")
        [parked] = told.wait("parked", 1)
        told.patient("p1", gender="male")
        told.patient("p2")
        told.wait("sent", 1)
        assert there.events == ["ADT^A28", "ADT^A28"]
        assert [one["kind"] for one in told.outbox(state="waiting")] == ["ADT^A31"]
        answer = told.http.post("/$hl7v2-outbox-discard", json=_parameters(id=parked["_id"]))
        assert answer.status_code == 200, answer.text
        told.wait("sent", 2)
        assert there.events[-1] == "ADT^A31"


def _parameters(**values: str) -> dict[str, object]:
    listed = [{"name": name, "valueString": value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": listed}


@pytest.mark.parametrize(
    "answer",
    [
        saying("AR"),
        saying("AR", "207"),
        saying("CE", "206"),
        receiver.never,
        receiver.garbage,
        receiver.hanging_up,
    ],
)
def test_what_may_go_well_later_is_sent_again(
    mongo_url: str, tmp_path: Path, answer: receiver.Answer
) -> None:
    """After AR, CE 206, silence, garbage or a closed connection the very same bytes are sent again."""
    there = Receiver([answer, answer, saying("AA")])
    file = destination("adt", there.port, answer_seconds="0.3", retries="5")
    with telling(mongo_url, tmp_path, {"adt": there}, file) as told:
        told.patient("p1")
        [sent] = told.wait("sent", 1)
        assert there.control_ids == [sent["_id"]] * 3
        assert len({one.data for one in there.received}) == 1
        assert sent["attempts"] == 3


def test_a_configuration_that_does_not_fit_is_not_tried_again(mongo_url: str, tmp_path: Path) -> None:
    """AR 200 says that the receiver never wants such messages: a person has to look."""
    there = Receiver([saying("AR", "200")])
    with telling(mongo_url, tmp_path, {"adt": there}) as told:
        told.patient("p1")
        [parked] = told.wait("parked", 1)
        assert parked["problem"] == "AR 200"
        assert len(there.received) == 1


@pytest.mark.failure_story("retry-storm")
def test_silence_does_not_become_a_storm(mongo_url: str, tmp_path: Path) -> None:
    """To one that never answers only one message goes at a time, and ever more rarely (connect#1314)."""
    there = Receiver([receiver.never])
    file = destination(
        "adt", there.port, answer_seconds="0.2", first_pause="0.2", longest_pause="60", retries="3"
    )
    with telling(mongo_url, tmp_path, {"adt": there}, file) as told:
        for number in range(20):
            told.patient(f"p{number}")
        there.wait_for(4)
        time.sleep(3)
        assert len(there.received) < 12
        assert told.outbox(state="parked") == []
        assert len(told.outbox(state="waiting")) == 20


def test_a_dead_receiver_holds_up_nobody_else(mongo_url: str, tmp_path: Path) -> None:
    """The other destination gets all of its messages, and the interface answers, while one is away."""
    dead, well = Receiver(), Receiver()
    dead.close()
    with telling(mongo_url, tmp_path, {"dead": dead, "well": well}) as told:
        for number in range(10):
            told.patient(f"p{number}")
        well.wait_for(10)
        assert told.http.get("/Patient/p3").status_code == 200
        assert len(told.outbox(destination="dead", state="waiting")) == 10


def test_a_receiver_that_comes_back_gets_all_in_order(mongo_url: str, tmp_path: Path) -> None:
    """What waited goes out when the receiver is there again: nothing lost, each patient's in order."""
    gone = Receiver()
    gone.close()
    with telling(mongo_url, tmp_path, {"adt": gone}) as told:
        for number in range(4):
            for gender in ("male", "female", "other"):
                told.patient(f"p{number}", gender=gender)
        back = Receiver(port=gone.port)
        try:
            back.wait_for(12, seconds=60)
            genders: dict[str, list[str]] = {}
            for one in back.received:
                pid = one.first("PID")
                assert pid is not None
                genders.setdefault(hospital_number(one), []).append(pid.get(8))
            assert genders == {f"p{number}": ["M", "F", "O"] for number in range(4)}
        finally:
            back.close()


def test_patients_do_not_wait_for_one_another(mongo_url: str, tmp_path: Path) -> None:
    """While one patient's message is tried again and again, those of others go by."""

    def answer(message: Message, connection: socket.socket) -> None:
        is_bad = hospital_number(message) == "bad"
        data = receiver.ack(message, "AR" if is_bad else "AA")
        connection.sendall(frame(data))

    there = Receiver([answer])
    file = destination("adt", there.port, retries="1000", connections="3")
    with telling(mongo_url, tmp_path, {"adt": there}, file) as told:
        told.patient("bad")
        there.wait_for(1)
        for number in range(6):
            told.patient(f"p{number}")
        told.wait("sent", 6)
        assert [one["subject"] for one in told.outbox(state="waiting")] == ["Patient/bad"]


@pytest.mark.failure_story("order-lost")
def test_the_order_per_patient_holds_on_many_connections(mongo_url: str, tmp_path: Path) -> None:
    """However many connections there are, a patient's messages arrive in order (connect#3410)."""
    there = Receiver()
    with telling(
        mongo_url, tmp_path, {"adt": there}, destination("adt", there.port, connections="4")
    ) as told:
        for turn in range(6):
            for number in range(6):
                told.patient(f"p{number}", birthDate=f"20{10 + turn}")
        there.wait_for(36)
        seen: dict[str, list[str]] = {}
        for one in there.received:
            pid = one.first("PID")
            assert pid is not None
            seen.setdefault(hospital_number(one), []).append(pid.get(7))
        assert set(map(tuple, seen.values())) == {tuple(f"20{10 + turn}" for turn in range(6))}


@pytest.mark.failure_story("accept-as-final", "late-nack-swallowed")
def test_accepted_is_not_the_final_answer(mongo_url: str, tmp_path: Path) -> None:
    """In enhanced mode CA leaves a message open.

    The application's AE parks it, also long after (medplum#7115, #9491).
    """

    def both(message: Message, connection: socket.socket) -> None:
        code = "AE" if hospital_number(message) == "bad" else "AA"
        connection.sendall(frame(receiver.ack(message, "CA")))
        connection.sendall(frame(receiver.ack(message, code, *(["204"] if code == "AE" else []))))

    there = Receiver([saying("CA"), both])
    with telling(
        mongo_url, tmp_path, {"adt": there}, destination("adt", there.port, enhanced="true")
    ) as told:
        told.patient("open")
        told.wait("accepted", 1)
        told.patient("good")
        told.patient("bad")
        told.wait("sent", 1)
        [parked] = told.wait("parked", 1)
        assert (parked["subject"], parked["problem"]) == ("Patient/bad", "AE 204")
        assert [one["subject"] for one in told.outbox(state="accepted")] == ["Patient/open"]
        msh = there.received[0].header
        assert (msh.accept_ack, msh.application_ack) == ("AL", "AL")


def test_what_came_from_a_system_is_not_sent_back_to_it(mongo_url: str, tmp_path: Path) -> None:
    """A change that a message of the laboratory made is told to others only.

    A later change by a person to all.
    """
    lab, adt = Receiver(), Receiver()
    with telling(mongo_url, tmp_path, {"lab": lab, "adt": adt}) as told:
        told.patient("p1", meta={"source": "urn:hl7v2:LAB:0001"})
        adt.wait_for(1)
        told.patient("p1", meta={"source": "urn:hl7v2:LAB:0001"}, gender="male")
        adt.wait_for(2)
        lab.wait_for(1)
        assert lab.events == ["ADT^A31"]


def test_a_merge_waits_for_what_went_before(mongo_url: str, tmp_path: Path) -> None:
    """A40 names the survivor in PID and the other one's numbers in MRG, and comes after both."""
    there = Receiver()
    with telling(
        mongo_url, tmp_path, {"adt": there}, destination("adt", there.port, connections="3")
    ) as told:
        told.patient("one", birthDate="1950-01-01", gender="male")
        told.patient("two", birthDate="1990-05-05", gender="female")
        body = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "source-patient", "valueReference": {"reference": "Patient/one"}},
                {"name": "target-patient", "valueReference": {"reference": "Patient/two"}},
            ],
        }
        answer = told.http.post("/Patient/$merge", json=body)
        assert answer.status_code == 200, answer.text
        there.wait_for(3)
        assert there.events.count("ADT^A40") == 1
        merge = there.received[there.events.index("ADT^A40")]
        assert (hospital_number(merge), hospital_number(merge, "MRG", 1)) == ("two", "one")
        assert there.events.index("ADT^A40") == 2
