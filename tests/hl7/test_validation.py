"""What is wrong with a message is told with its place, and what nothing depends on is not."""

import pytest

from hl7.errors import HL7Error, Location
from hl7.parser import parse
from hl7.validation import violations
from tests.hl7.messages import ADT_A01, MSH_A01, ORU_R01, message

_MSH = "MSH|^~\\&|A|B|C|D|2024||{}|1|P|{}"
_PID = "PID|1||4711^^^HOSP^MR||Quill^Otto"
_PV1 = "PV1|1|I"


def _told(errors: list[HL7Error]) -> list[tuple[str, str, str]]:
    return [(error.code, str(error.location or ""), error.severity) for error in errors]


def _found(
    *segments: str, code: str = "ADT^A01", version: str = "2.5.1", strict: bool = False
) -> list[tuple[str, str, str]]:
    return _told(violations(parse(message(_MSH.format(code, version), *segments)), strict=strict))


@pytest.mark.parametrize("data", [ADT_A01, ORU_R01])
def test_nothing_is_wrong(data: bytes) -> None:
    """Z segments and more fields than are known are no errors."""
    assert violations(parse(data)) == []
    assert violations(parse(data.replace(b"PID|1", b"PID|1" + b"")[:-1] + b"|" * 80 + b"x\r")) == []


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([_PID], [("100", "PV1^1", "E")]),
        ([_PV1], [("100", "PID^1", "E")]),
        (["EVN", _PID.replace("4711^^^HOSP^MR", ""), _PV1], [("101", "PID^1^3", "E")]),
        (["EVN", _PID.replace("Quill^Otto", '""'), _PV1], [("101", "PID^1^5", "E")]),
        ([_PID + "||1970-01-01", _PV1], [("102", "PID^1^7^1", "E")]),
        ([_PID + "||19700230", _PV1], [("102", "PID^1^7^1", "E")]),
        ([_PID + '||""', _PV1], []),
        ([_PID + "||197001010830+0100", _PV1], []),
        ([_PID, _PV1, "hello there"], [("100", "", "E")]),
        ([_PID, _PV1, "AL1|1||"], [("101", "AL1^1^3", "E")]),
        ([_PID, _PV1, "DB1|1", "ACC|2024", "OBX|1|NM|A^b||12,5"], [("102", "OBX^1^5^1", "E")]),
        ([_PID, _PV1, "OBX|1|NM|A^b||1~x"], [("102", "OBX^1^5^2", "E")]),
        ([_PID, _PV1, "OBX|1|SN|A^b||>^5"], []),
        ([_PID, _PV1, "OBX|1|SN|A^b||about^5"], [("102", "OBX^1^5^1", "E")]),
        ([_PID, _PV1, "OBX|1|TM|A^b||2500"], [("102", "OBX^1^5^1", "E")]),
        ([_PID, _PV1, "OBX|1|DT|A^b||20240230"], [("102", "OBX^1^5^1", "E")]),
        ([_PID, _PV1, "OBX|1|QQ|A^b||x"], [("103", "OBX^1^2", "E")]),
        ([_PID, _PV1, "OBX|1|ST|A^b||x||||||Q"], []),
        ([_PID, _PV1, "ORC|ZZ|A1", "TXA||"], []),
        ([_PID, _PV1, "OBX|1|ST|A^b||x", "OBX|2|ST|||x"], [("101", "OBX^2^3", "E")]),
    ],
)
def test_what_is_wrong(segments: list[str], expected: list[tuple[str, str, str]]) -> None:
    """Code, place and severity are those of an acknowledgment."""
    assert _found(*segments) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("MSH|^~\\&|A|B|C|D|2024|||1|P|2.5", [("101", "MSH^1^9"), ("200", "MSH^1^9^1^1")]),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^Q99|1|P|2.5", [("201", "MSH^1^9^1^2")]),
        ("MSH|^~\\&|A|B|C|D|2024||XYZ^Q99|1|P|2.5", [("200", "MSH^1^9^1^1")]),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01||P|2.5", [("101", "MSH^1^10")]),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01|" + "1" * 200 + "|P|2.5", [("104", "MSH^1^10")]),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|X|2.5", [("202", "MSH^1^11")]),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|3.0", [("203", "MSH^1^12")]),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P^T|2.5.2", []),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1||", []),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.9", []),
        ("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.1", []),
    ],
)
def test_headers(header: str, expected: list[tuple[str, str]]) -> None:
    """All versions from 2.1 to 2.9 are read by position, and a message without one is too."""
    found = _told(violations(parse(message(header, _PID, _PV1))))
    assert [(code, place) for code, place, _ in found] == expected


def test_groups_miss_segments() -> None:
    """The second pair of a merge has no MRG: the place is that of the MRG that is not there."""
    pid = "PID|1||1||A"
    assert _found("EVN", pid, "MRG|2", pid, code="ADT^A40") == [("100", "MRG^2", "E")]
    assert _found("EVN", pid, "MRG|", code="ADT^A40") == [("101", "MRG^1^1", "E")]
    assert _found("EVN", pid, "MRG|||7", code="ADT^A41") == []
    assert _found("PID|1||1||A", "ORC|NW", "OBR|1|||CBC", "PV1|1|O", code="OML^O21") == []


def test_codes_of_orders() -> None:
    """Without ORC-1 it is not known what to do; in a message that has no place for orders nobody asks."""
    assert _found(_PID, "ORC|ZZ|A1", code="ORM^O01") == [("103", "ORC^1^1", "E")]
    assert _found(_PID, "ORC||A1", code="ORM^O01") == [("101", "ORC^1^1", "E")]


def test_values_that_nothing_is_made_of() -> None:
    """The record does without them: the sender is warned, and the message is taken."""
    read = parse(
        message(
            _MSH.format("ADT^A01", "2.5.1"), _PID + "||soon", _PV1 + "|" * 44 + "x", "GT1|1" + "|" * 7 + "x"
        )
    )

    def is_read(segment: str, _field: int) -> bool:
        return segment == "PID"

    found = [("102", "PID^1^7^1", "E"), ("102", "PV1^1^46^1", "W"), ("102", "GT1^1^8^1", "W")]
    assert _told(violations(read, is_read=is_read)) == found
    assert {one.severity for one in violations(read, is_read=is_read, strict=True)} == {"E"}
    assert {one.severity for one in violations(read)} == {"E"}
    assert _told(violations(read, ["GT1-3"], is_read=is_read))[2] == ("101", "GT1^1^3", "E")


def test_what_senders_leave_out() -> None:
    """Nothing depends on EVN; a strict channel wants it, and all that the standard wants."""
    assert _found(_PID, _PV1) == []
    assert ("100", "EVN^1", "E") in _found(_PID, _PV1, strict=True)
    assert ("101", "NK1^1^1", "E") in _found("EVN||2024", _PID, "NK1||Quill", _PV1, strict=True)
    assert ("102", "NK1^1^1^1", "E") in _found("EVN||2024", _PID, "NK1|one|Quill", _PV1, strict=True)
    assert _found("EVN||2024", _PID, "NK1|one|Quill", _PV1) == []


def test_fields_that_a_channel_requires() -> None:
    """They are required where their segment is."""
    read = parse(message(_MSH.format("ADT^A01", "2.3"), _PID, _PV1, "NK1|1|Quill"))
    required = ["PV1-19", "PID-3.4", "PID-3.9", "GT1-3", "NK1-2"]
    assert _told(violations(read, required)) == [("101", "PID^1^3^1^9", "E"), ("101", "PV1^1^19", "E")]
    with pytest.raises(ValueError, match="no field"):
        violations(read, ["PID3"])


def test_no_value_is_told() -> None:
    """Errors go into logs and to the sender, and have no patient's data in them."""
    read = parse(message(MSH_A01, "PID|1||||||Quill19700101", "PV1|1", "Quill was here", "OBX|1|NM|A||Quill"))
    assert len(violations(read)) > 3
    assert "Quill" not in " ".join(map(str, violations(read)))


def test_corrections_by_hand() -> None:
    """An operator corrects what was told, and nothing is wrong any more."""
    read = parse(message(_MSH.format("ADT^A01", "2.5"), _PID + "||1970-01-01", _PV1, "ZZZ|\\X0D\\"))
    (error,) = violations(read)
    assert error.location is not None
    mended = read.with_field(error.location, "19700101")
    assert violations(mended) == []
    assert mended.data == read.data.replace(b"1970-01-01", b"19700101")
    assert error.location == Location("PID", 1, 7, 1)
