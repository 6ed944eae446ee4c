"""What a sender is answered, in original and enhanced mode: each row of the table in docs/hl7v2.md."""

import time
import uuid
from typing import Any

import pytest
from pymongo.database import Database

from hl7.parser import parse
from tests.adapters.senders import adt, code, connected, error_codes, read
from tests.fhir_server.hl7v2.hospital import Hospital


def _id() -> str:
    return uuid.uuid4().hex[:12]


def _entry(kept: Database[dict[str, Any]], control_id: str) -> dict[str, Any]:
    found = list(kept["hl7_inbox"].find({"control_id": control_id}).sort("order", 1))
    assert found
    return found[0]


def _made(kept: Database[dict[str, Any]], control_id: str) -> int:
    return kept["Basic"].count_documents({"resource.identifier.value": control_id})


def test_original_mode_gets_aa_once_the_message_is_applied(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """Without MSH-15 and MSH-16 there is one answer, after the resources are stored."""
    control_id = _id()
    with connected(hospital.port) as sender:
        answer = sender.ask(adt(control_id))
    assert code(answer) == "AA"
    msa = read(answer).first("MSA")
    assert msa is not None
    assert msa.get(2) == control_id
    assert _made(kept, control_id) == 1
    entry = _entry(kept, control_id)
    assert entry["state"] == "applied"
    assert entry["channel"] == "adt"
    assert len(entry["references"]) == 1


@pytest.mark.failure_story("ack-parties", "ack-type", "ack-end")
def test_the_answer_turns_the_sender_round_and_ends_with_cr(hospital: Hospital) -> None:
    """MSH-3 to MSH-6 are swapped, MSH-9 says what is answered, and the last byte is CR."""
    with connected(hospital.port) as sender:
        answer = sender.ask(adt(_id()))
    header = read(answer).header
    assert header.sending_application.text == "FHIR"
    assert header.receiving_application.text == "ADT"
    assert (header.message_code, header.trigger_event, header.structure) == ("ACK", "A08", "ACK")
    assert header.processing_id == "P"
    assert len(header.control_id) == 20
    assert answer.endswith(b"\r")


def test_a_wrong_value_that_nothing_is_made_of_is_a_warning(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """The message is applied, and its sender hears where the value is; one that is read is refused."""
    wrong, read_one = "DB1|1||||yesterday", "AL1|1||P^Penicillin|||yesterday"
    with connected(hospital.port) as sender:
        control_id = _id()
        answer = sender.ask(adt(control_id, more=[wrong]))
        refused = sender.ask(adt(_id(), more=[wrong, read_one]))
    assert (code(answer), _made(kept, control_id)) == ("AA", 1)
    (err,) = read(answer).all("ERR")
    assert (err.get(2, 1), err.get(2, 3), err.get(3), err.get(4)) == ("DB1", "5", "102", "W")
    (reason,) = _entry(kept, control_id)["reasons"]
    assert (reason["code"], reason["location"], reason["severity"]) == ("102", "DB1^1^5^1", "W")
    assert (code(refused), error_codes(refused)) == ("AE", ["102"])
    assert read(refused).all("ERR")[0].get(2) == "AL1"


def test_enhanced_mode_gets_ca_and_then_aa_as_a_message_of_its_own(hospital: Hospital) -> None:
    """The accept acknowledgment says that the message is safe, the application's that it is done."""
    with connected(hospital.port) as sender:
        first = sender.ask(adt(_id(), name="SLOW", accept="AL", application="AL"))
        second = sender.answer()
    assert (code(first), code(second)) == ("CA", "AA")
    assert read(first).header.control_id != read(second).header.control_id


def test_enhanced_mode_without_an_application_acknowledgment_gets_ca_alone(hospital: Hospital) -> None:
    """Of the two fields the one that is empty says never."""
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(_id(), accept="AL"))) == "CA"
        assert code(sender.ask(adt(_id(), accept="AL", application="NE"))) == "CA"


def test_enhanced_mode_without_an_accept_acknowledgment_gets_aa_alone(hospital: Hospital) -> None:
    """MSH-15 says never, MSH-16 always."""
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(_id(), accept="NE", application="AL"))) == "AA"


@pytest.mark.parametrize(
    ("accept", "application", "name", "expected"),
    [
        ("ER", "ER", "Muster", []),
        ("ER", "ER", "REFUSE", ["AE"]),
        ("SU", "SU", "Muster", ["CA", "AA"]),
        ("SU", "SU", "REFUSE", ["CA"]),
        ("AL", "ER", "REFUSE", ["CA", "AE"]),
        ("AL", "SU", "REFUSE", ["CA"]),
        ("NE", "NE", "Muster", []),
    ],
)
def test_conditions_of_acknowledgments_hold(
    hospital: Hospital, accept: str, application: str, name: str, expected: list[str]
) -> None:
    """ER wants to hear of errors only, and SU of success only (table 0155)."""
    with connected(hospital.port) as sender:
        sender.send(adt(_id(), accept=accept, application=application, name=name))
        heard = [code(sender.answer()) for _ in expected]
        time.sleep(0.3)
        assert code(sender.ask(adt(_id()))) == "AA"  # nothing else came before
    assert heard == expected


@pytest.mark.parametrize(
    ("message", "original", "enhanced", "reason"),
    [
        ({"event": "A99"}, "AR", "CR", "201"),
        ({"processing": "T"}, "AR", "CR", "202"),
        ({"version": "3.0"}, "AR", "CR", "203"),
        ({"sender": "NOBODY|GENHOSP"}, "AR", "CR", "103"),
        ({"sender": "FAR|GENHOSP"}, "AR", "CR", "103"),
    ],
)
def test_what_is_not_for_us_is_rejected_before_it_is_applied(
    hospital: Hospital, message: dict[str, Any], original: str, enhanced: str, reason: str
) -> None:
    """Unknown type, event, environment, version or sender: AR, and CR in enhanced mode."""
    with connected(hospital.port) as sender:
        first = sender.ask(adt(_id(), **message))
        second = sender.ask(adt(_id(), accept="AL", application="AL", **message))
    assert (code(first), code(second)) == (original, enhanced)
    assert error_codes(first) == error_codes(second) == [reason]


@pytest.mark.failure_story("no-nack")
def test_an_unknown_message_type_is_rejected(hospital: Hospital, kept: Database[dict[str, Any]]) -> None:
    """200, and the message waits in quarantine for a person."""
    control_id = _id()
    with connected(hospital.port) as sender:
        answer = sender.ask(adt(control_id).replace(b"|ADT^A08^ADT_A01|", b"|XYZ^A08|"))
    assert code(answer) == "AR"
    assert error_codes(answer) == ["200"]
    entry = _entry(kept, control_id)
    assert entry["state"] == "refused"
    assert [one["code"] for one in entry["reasons"]] == ["200"]


def test_a_required_field_that_is_missing_gets_ae(hospital: Hospital) -> None:
    """101 at the field that the channel asks for, at the application level."""
    broken = adt(_id()).replace(b"|1001^^^GENHOSP^MR|", b"||")
    with connected(hospital.port) as sender:
        answer = sender.ask(broken)
        assert code(answer) == "AE"
        assert "101" in error_codes(answer)
        enhanced = broken.replace(b"|2.5.1|||||", b"|2.5.1|||AL|AL|").replace(b"MSH|", b"MSH|", 1)
        enhanced = adt(_id(), accept="AL", application="AL").replace(b"|1001^^^GENHOSP^MR|", b"||")
        assert [code(sender.ask(enhanced)), code(sender.answer())] == ["CA", "AE"]


def test_an_unknown_key_gets_ae(hospital: Hospital, kept: Database[dict[str, Any]]) -> None:
    """204 is an error of the content: the same message would be refused again."""
    control_id = _id()
    with connected(hospital.port) as sender:
        answer = sender.ask(adt(control_id, name="REFUSE"))
    assert code(answer) == "AE"
    assert error_codes(answer) == ["204"]
    assert read(answer).first("ERR") is not None
    assert _entry(kept, control_id)["state"] == "refused"


def test_a_locked_record_gets_ar_and_the_same_message_is_tried_again(hospital: Hospital) -> None:
    """206 may go away by itself: a sender that sends again is not given the old answer."""
    message = adt(_id(), name="REJECT")
    before = hospital.log.tries.total()
    with connected(hospital.port) as sender:
        assert code(sender.ask(message)) == "AR"
        assert code(sender.ask(message)) == "AR"
    assert hospital.log.tries.total() - before == 2


def test_an_error_of_our_own_gets_ar_and_says_nothing_of_anybody(hospital: Hospital) -> None:
    """207 with a number under which the log has more; no text of the failure is told."""
    with connected(hospital.port) as sender:
        answer = sender.ask(adt(_id(), name="BUG"))
    assert code(answer) == "AR"
    assert error_codes(answer) == ["207"]
    assert b"Muster" not in answer
    assert b"secret" not in answer


def test_what_cannot_be_applied_now_is_tried_again_until_it_can(hospital: Hospital) -> None:
    """The sender only sees that it took a little longer."""
    control_id = _id()
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(control_id, name="LATER"))) == "AA"
    assert hospital.log.tries[control_id] == 3


def test_warnings_are_told_beside_the_acceptance(hospital: Hospital) -> None:
    """AA with an ERR of severity W."""
    with connected(hospital.port) as sender:
        answer = sender.ask(adt(_id(), name="WARN"))
    assert code(answer) == "AA"
    err = read(answer).first("ERR")
    assert err is not None
    assert err.get(4) == "W"


def test_a_message_that_changes_nothing_gets_aa(hospital: Hospital, kept: Database[dict[str, Any]]) -> None:
    """It is accepted, and the inbox says that nothing was stored."""
    control_id = _id()
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(control_id, name="UNCHANGED"))) == "AA"
    assert _entry(kept, control_id)["state"] == "unchanged"
    assert _made(kept, control_id) == 0


def test_bytes_without_msh_are_not_answered_and_the_connection_is_closed(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """There is no MSH-10 to answer to; the bytes wait in quarantine."""
    nonsense = f"PID|1||{_id()}\r".encode()
    with connected(hospital.port) as sender:
        sender.send(nonsense)
        assert sender.is_closed()
    assert kept["hl7_inbox"].count_documents({"state": "refused", "size": len(nonsense)}) >= 1


@pytest.mark.failure_story("no-nack")
def test_a_broken_msh_is_rejected_if_its_control_id_can_be_read(hospital: Hospital) -> None:
    """AR with the control id that came."""
    control_id = _id()
    broken = adt(control_id).replace(b"MSH|^~\\&|", b"MSH|^^^^|", 1)
    with connected(hospital.port) as sender:
        answer = sender.ask(broken)
    assert code(answer) == "AR"
    assert control_id.encode() in answer


def test_a_message_without_control_id_is_not_accepted(hospital: Hospital) -> None:
    """Nobody could tell which message an answer is about."""
    with connected(hospital.port) as sender:
        sender.send(adt(""))
        assert sender.is_closed()


def test_an_acknowledgment_is_never_acknowledged(hospital: Hospital) -> None:
    """Neither CA, nor an answer that is applied, gets an answer: two systems would go on for ever."""
    header = f"MSH|^~\\&|ADT|GENHOSP|FHIR|HOSPITAL|20260301120000||ACK^A08^ACK|{_id()}|P|2.5.1"
    with connected(hospital.port) as sender:
        sender.send(f"{header}\rMSA|CA|1\r".encode(), f"{header}2\rMSA|AA|1\r".encode())
        control_id = _id()
        answer = sender.ask(adt(control_id))
    assert parse(answer).segments[1].get(2) == control_id


def test_orders_are_answered_one_by_one(hospital: Hospital) -> None:
    """ORL^O22 with ORC-1 for each order, where MSH-16 asks for an application acknowledgment."""
    header = f"MSH|^~\\&|LAB|GENHOSP|FHIR|HOSPITAL|20260301120000||OML^O21^OML_O21|{_id()}|P|2.5.1|||AL|AL"
    rows = ["PID|1||1001^^^GENHOSP^MR||ORDERS", "ORC|NW|1", "OBR|1|1||GLU", "ORC|NW|2", "OBR|2|2||CRE"]
    with connected(hospital.port) as sender:
        assert code(sender.ask(("\r".join([header, *rows]) + "\r").encode())) == "CA"
        answer = read(sender.answer())
    assert answer.header.message_code == "ORL"
    assert [orc.get(1) for orc in answer.all("ORC")] == ["UA", "OK"]
