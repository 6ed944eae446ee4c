"""Acknowledgments, written and read (HL7 v2.5.1 §2.9)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.ack import acknowledge, code_of, is_wanted, read_ack, wanted
from hl7.errors import (
    SEGMENT_SEQUENCE,
    HL7Error,
    InvalidMessage,
    Location,
    UnparseableMessage,
    UnsupportedCharset,
    UnsupportedMessage,
)
from hl7.order_answers import acknowledge_orders, control_of, is_order, orders
from hl7.parser import parse
from hl7.validation import violations
from tests.hl7.messages import ADT_A01, MSH_A01, message

_NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
_MISSING = HL7Error("a patient number is needed", code="101", location=Location("PID", 1, 3, 1, 1))


def _ack(data: bytes, code: str = "AA", *errors: HL7Error) -> bytes:
    return acknowledge(data, code, errors, now=_NOW, control_id="OURS-1")


@pytest.mark.failure_story("ack-parties", "ack-type", "ack-end")
def test_original_mode() -> None:
    """MSH is turned round, MSA-2 is MSH-10, and the text ends with CR (connect#276, #504, #1253)."""
    assert _ack(ADT_A01) == (
        b"MSH|^~\\&|FHIR|HOSP|ADT1|HOSP^1.2.3^ISO|20240506070809+0000||ACK^A01^ACK|OURS-1|P|2.5.1\r"
        b"MSA|AA|C-1\r"
    )


def test_errors_from_version_2_5_on() -> None:
    """ERR says where, what and how bad, and nothing of the patient."""
    lines = _ack(ADT_A01, "AE", _MISSING).split(b"\r")
    assert lines[1:] == [
        b"MSA|AE|C-1",
        b"ERR||PID^1^3^1^1|101^Required field missing^HL70357|E|||a patient number is needed|"
        b"a patient number is needed",
        b"",
    ]


@pytest.mark.parametrize(
    ("version", "message_type"),
    [("2.1", "ACK"), ("2.3.1", "ACK"), ("2.4", "ACK^A01^ACK"), ("2.4^DEU", "ACK^A01^ACK")],
)
def test_errors_before_version_2_5(version: str, message_type: str) -> None:
    """MSA-3 has the text, and ERR-1 the place."""
    lines = _ack(ADT_A01.replace(b"2.5.1", version.encode()), "AE", _MISSING).decode().split("\r")
    assert lines[0].endswith(f"|{message_type}|OURS-1|P|{version}")
    assert lines[1:3] == [
        "MSA|AE|C-1|a patient number is needed",
        "ERR|PID^1^3^101&Required field missing&HL70357",
    ]


def test_the_delimiters_and_character_set_are_the_senders() -> None:
    """An answer can be read by whoever sent the question, and MSA-2 comes back escaped as it came."""
    data = "MSH*:~!;*\u00c4*B:1*C*D*2024**ADT:A01*1!F!2*P*2.5******8859/1\rEVN\r".encode("latin-1")
    answer = _ack(data, "AE", HL7Error("more * than ;", code="102"))
    assert answer.decode("latin-1").split("\r")[:2] == [
        "MSH*:~!;*C*D*\u00c4*B:1*20240506070809+0000**ACK:A01:ACK*OURS-1*P*2.5******8859/1",
        "MSA*AE*1!F!2",
    ]
    assert read_ack(parse(answer)).errors[0].text == "more * than ;"
    assert read_ack(parse(answer)).control_id == "1*2"


def test_sender() -> None:
    """Where the message names no receiver, we say who we are."""
    data = b"MSH|^~\\&|LAB||||2024||ORU^R01|7|P|2.3\r"
    answer = acknowledge(data, "AA", now=_NOW, control_id="1", sender=("FHIR", ["HOSP", "1.2", "ISO"]))
    assert answer.startswith(b"MSH|^~\\&|FHIR|HOSP^1.2^ISO|LAB||2024")


@pytest.mark.parametrize(
    ("data", "control_id"),
    [
        (b"MSH|^^\\&|LAB|||F|2024||ORU^R01|77|P|2.5\rPID|1\r", "77"),
        (b"MSH||LAB|||F|2024||ORU^R01|77|P|2.5\r", "77"),
        (b"MSH|^~\\&|LAB|||F|2024||ORU^R01|77|P|2.5||||||UNICODE UTF-16\r", "77"),
        (b"MSH|^~\\&|LAB|||F|2024||ORU^R01|77|P|2.5||||||BIG-5\rPID|\xff\xff\r", "77"),
        (b"MSH|^~\\&|L\xc4B|||F|2024||ORU^R01|77|P|2.5||||||ISO IR87\rPID|\xff\xff\r", "77"),
        (ADT_A01 + ADT_A01, "C-1"),
    ],
)
@pytest.mark.failure_story("no-nack")
def test_broken_messages_are_rejected(data: bytes, control_id: str) -> None:
    """Where MSH-10 can be read there is an answer, whatever else is wrong."""
    with pytest.raises(HL7Error) as caught:
        parse(data)
    code = code_of([caught.value])
    answer = read_ack(parse(_ack(data, code, caught.value)))
    assert (answer.code, answer.control_id) == ("AR", control_id)


@pytest.mark.parametrize("data", [b"", b"PID|1\r", b"MSH|^~\\&|A\r", b"MSHABC", b"hello", b"\x00" * 40])
def test_nothing_to_answer_to(data: bytes) -> None:
    """Without MSH-10 nobody could tell what is answered."""
    with pytest.raises(UnparseableMessage):
        _ack(data, "AR")


@pytest.mark.parametrize(
    ("accept", "application", "message_code", "expected"),
    [
        ("", "", "ADT", ("NE", "AL")),
        ("AL", "NE", "ADT", ("AL", "NE")),
        ("", "ER", "ADT", ("NE", "ER")),
        ("SU", "", "ADT", ("SU", "NE")),
        ("yes", "", "ADT", ("AL", "NE")),
        ("", "", "ACK", ("NE", "NE")),
        ("AL", "AL", "ACK", ("AL", "NE")),
    ],
)
def test_which_acknowledgments_are_wanted(
    accept: str, application: str, message_code: str, expected: tuple[str, str]
) -> None:
    """Original mode asks for one of the application; in enhanced mode the empty one says never."""
    header = f"MSH|^~\\&|A|B|C|D|2024||{message_code}^A01|1|P|2.5|||{accept}|{application}"
    assert wanted(parse(message(header)).header) == expected


def test_conditions() -> None:
    """Table 0155 against table 0008."""
    asked = {condition: {code for code in ("AA", "AE", "AR", "CA", "CE", "CR") if is_wanted(condition, code)}
             for condition in ("AL", "NE", "ER", "SU")}  # fmt: skip
    assert asked["NE"] == set()
    assert asked["SU"] == {"AA", "CA"}
    assert asked["ER"] == {"AE", "AR", "CE", "CR"}
    assert asked["AL"] == asked["SU"] | asked["ER"]


@pytest.mark.parametrize(
    ("errors", "application", "accept"),
    [
        ([], "AA", "CA"),
        ([HL7Error("w", code="102", severity="W")], "AA", "CA"),
        ([UnparseableMessage("x")], "AR", "CE"),
        ([UnsupportedMessage("x")], "AR", "CR"),
        ([HL7Error("x", code="201")], "AR", "CR"),
        ([HL7Error("x", code="203")], "AR", "CR"),
        ([UnsupportedCharset("x")], "AR", "CR"),
        ([HL7Error("x", code="100")], "AE", "CE"),
        ([HL7Error("x", code="204")], "AE", "CE"),
        ([HL7Error("x", code="205")], "AE", "CE"),
        ([HL7Error("x", code="206")], "AR", "CE"),
        ([HL7Error("x", code="207")], "AR", "CE"),
        ([InvalidMessage([HL7Error("x", code="101"), HL7Error("y", code="102")])], "AE", "CE"),
    ],
)
def test_codes(errors: list[HL7Error], application: str, accept: str) -> None:
    """What the sender can mend is an error, what it cannot is a rejection."""
    assert code_of(errors) == application
    assert code_of(errors, accept=True) == accept


@pytest.mark.parametrize("version", ["2.2", "2.3", "2.4", "2.5", "2.8"])
def test_what_is_written_is_read(version: str) -> None:
    """Codes and places of errors come through in both forms."""
    errors = [
        HL7Error("no | number", code="101", location=Location("PID", 1, 3)),
        HL7Error("odd", code="102"),
    ]
    answer = read_ack(parse(_ack(ADT_A01.replace(b"2.5.1", version.encode()), "AE", *errors)))
    assert [(error.code, error.location) for error in answer.errors] == [
        (error.code, error.location) for error in errors
    ]
    assert not answer.is_positive


@pytest.mark.parametrize(
    ("msa", "code"), [("ZZZ", "100"), ("MSA|XX|1", "103"), ("MSA||1", "103"), ("MSA|AA", "101")]
)
@pytest.mark.failure_story("garbage-ack")
def test_garbage_is_no_acknowledgment(msa: str, code: str) -> None:
    """It never counts as sent (connect#2986)."""
    with pytest.raises(InvalidMessage) as caught:
        read_ack(parse(message(MSH_A01, msa)))
    assert caught.value.code == code


def test_negative_answers_without_err() -> None:
    """Older systems say in MSA-3 what is wrong, and in MSA-6 its code."""
    answer = read_ack(parse(message(MSH_A01, "MSA|AR|1|locked|||206")))
    assert [(error.code, error.text) for error in answer.errors] == [("206", "locked")]


def test_many_errors_make_no_long_answer() -> None:
    """An answer to nonsense stays small."""
    assert len(_ack(ADT_A01, "AE", *[_MISSING] * 1000)) < 10_000


_OML = message(
    "MSH|^~\\&|PLACER|HOSP|LAB|LABFAC|2024||OML^O21^OML_O21|O-1|P|2.5.1|||NE|AL",
    "PID|1||4711^^^HOSP^MR||Quill^Otto",
    "ORC|NW|P1^PLACER|||||||2024",
    "OBR|1|P1^PLACER||CBC",
    "ORC|CA|P2^PLACER|F2",
    "OBR|2|P2^PLACER||GLU",
    "ORC|PR|P0",
    "OBR|3|P0||GLU",
)


def test_answer_to_orders() -> None:
    """Each order gets a control of its own, and earlier results that came along get none."""
    asked = parse(_OML)
    controls = [control_of(orc.get(1), is_accepted=index == 0) for index, orc in enumerate(orders(asked))]
    assert controls == ["OK", "UC"]
    answer = acknowledge_orders(asked, "AA", controls, now=_NOW, control_id="OURS-2").decode().split("\r")
    assert answer[0].endswith("|ORL^O22^ORL_O22|OURS-2|P|2.5.1")
    assert answer[1:] == [
        "MSA|AA|O-1",
        "PID|1||4711^^^HOSP^MR||Quill^Otto",
        "ORC|OK|P1^PLACER",
        "OBR|1|P1^PLACER||CBC",
        "ORC|UC|P2^PLACER|F2",
        "OBR|2|P2^PLACER||GLU",
        "",
    ]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("ORM^O01", "ORR^O02^ORR_O02"),
        ("RDE^O11", "RRE^O12^RRE_O12"),
        ("RDS^O13", "RRD^O14^RRD_O14"),
        ("OMG^O19", "ORG^O20^ORG_O20"),
    ],
)
def test_answers_to_other_orders(asked: str, answered: str) -> None:
    """Each order message has its answer."""
    data = parse(_OML.replace(b"OML^O21^OML_O21", asked.encode()))
    assert is_order(data)
    answer = acknowledge_orders(data, "AE", ["UA", "UC"], [_MISSING], now=_NOW, control_id="1")
    assert f"|{answered}|".encode() in answer
    assert read_ack(parse(answer)).code == "AE"


_PHARMACY = (
    *("MSH|^~\\&|CIS|GH|PHARM|GH|20240105120000||{0}|R-1|P|{1}", "PID|1||4711^^^HOSP^MR||Quill^Otto"),
    *(
        "ORC|NW|P1^CIS",
        "TQ1|1||BID",
        "RXO|X^Asked",
        "RXR|PO",
        "{2}|1^Drug",
        "NTE|1||Take",
        "TQ1|1||TID",
        "RXR|IV",
    ),
    *("RXC|B|Base", "OBX|1|ST|W||x", "FT1|1", "ORC|NW|P2^CIS", "{2}|2^Drug"),
)


@pytest.mark.parametrize(
    ("kind", "version", "detail", "expected"),
    [
        ("RDE^O11", "2.5.1", "RXE", ["RXE|1^Drug", "TQ1|1||TID", "RXR|IV", "RXC|B|Base"]),
        ("RDS^O13", "2.5.1", "RXD", ["RXD|1^Drug", "RXR|IV", "RXC|B|Base"]),
    ],
)
def test_answers_about_medicines(kind: str, version: str, detail: str, expected: list[str]) -> None:
    """What was encoded or dispensed comes back with its routes; a group that is not whole is left out."""
    data = "\r".join(_PHARMACY).format(kind, version, detail).encode() + b"\r"
    answer = acknowledge_orders(parse(data), "AA", ["OK", "UA"], now=_NOW, control_id="1")
    lines = answer.decode().split("\r")
    assert lines[3:-1] == ["ORC|OK|P1^CIS", *expected, "ORC|UA|P2^CIS"]
    found = violations(parse(answer), strict=True)
    assert [str(one) for one in found if one.code == SEGMENT_SEQUENCE] == []


def test_no_order_answer() -> None:
    """Whoever has no orders is answered by ACK."""
    assert not is_order(parse(ADT_A01))
    with pytest.raises(UnsupportedMessage):
        acknowledge_orders(parse(ADT_A01), "AA", [], now=_NOW, control_id="1")


@settings(deadline=None)
@given(
    data=st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"MSH|^~\\&|A|||||||7|" + tail)
)
def test_any_bytes_are_answered_or_refused(data: bytes) -> None:
    """Nothing but an HL7Error comes of any bytes, and an answer can be read."""
    try:
        answer = _ack(data, "AR", UnparseableMessage("broken"))
    except HL7Error:
        return
    assert read_ack(parse(answer)).code == "AR"
    assert answer.endswith(b"\r")
