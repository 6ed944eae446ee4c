"""Corrections by hand: one place is changed, and every other byte stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.errors import HL7Error, Location, NotEncodable
from hl7.parser import parse
from tests.hl7.messages import ADT_A01, MSH_A01, message


@pytest.mark.parametrize(
    ("place", "text", "segment"),
    [
        ("PID^1^8", "F", "PID|1||4711^^^HOSP^MR||Quill^Otto||1970|F"),
        ("PID^1^3^1^4", "LAB", "PID|1||4711^^^LAB^MR||Quill^Otto||1970|M"),
        ("PID^1^3^2^1", "99", "PID|1||4711^^^HOSP^MR~99||Quill^Otto||1970|M"),
        ("PID^1^3^1^4^3", "ISO", "PID|1||4711^^^HOSP&&ISO^MR||Quill^Otto||1970|M"),
        (
            "PID^1^5^1^1",
            "A|B^C&D~E\\F",
            "PID|1||4711^^^HOSP^MR||A\\F\\B\\S\\C\\T\\D\\R\\E\\E\\F^Otto||1970|M",
        ),
        ("PID^1^11", "x", "PID|1||4711^^^HOSP^MR||Quill^Otto||1970|M|||x"),
        ("PID^1^5", "", "PID|1||4711^^^HOSP^MR||||1970|M"),
        ("PID^^7", "1971", "PID|1||4711^^^HOSP^MR||Quill^Otto||1971|M"),
    ],
)
@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_one_place_changes(place: str, text: str, segment: str, end: str) -> None:
    """The text is text, and is escaped; what is missing up to the place is filled up."""
    rest = [MSH_A01, "ZZZ|a^^|\\X0D\\", "PID|1||4711^^^HOSP^MR||Quill^Otto||1970|M", "PID|2"]
    read = parse(message(*rest, end=end))
    changed = read.with_field(Location.parse(place), text)
    assert changed.data == message(*rest[:2], segment, "PID|2", end=end)
    assert changed.at(Location.parse(place)) == text
    assert read.first("PID") is not changed.first("PID")


def test_several_components_at_once() -> None:
    """Whoever knows HL7 writes a field with its delimiters."""
    changed = parse(ADT_A01).with_field(Location("PID", 1, 3), "1^^^A~2^^^B", raw=True)
    pid = changed.first("PID")
    assert pid is not None
    assert [repetition[4].text for repetition in pid[3]] == ["A", "B"]
    with pytest.raises(HL7Error):
        parse(ADT_A01).with_field(Location("PID", 1, 3, 1), "1~2", raw=True)
    with pytest.raises(HL7Error):
        parse(ADT_A01).with_field(Location("PID", 1, 3), "1|2", raw=True)
    with pytest.raises(HL7Error):
        parse(ADT_A01).with_field(Location("PID", 1, 3), "1\rPV1|2", raw=True)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (Location("PID", 2, 3), "100"), (Location("ZZZ", 1, 3), "100"), (Location("PID"), "102"),
        (Location("MSH", 1, 1), "102"), (Location("MSH", 1, 2), "102"), (Location("PID", 1, 100_000), "102"),
        (Location("PID", 1, 0), "102"), (Location("PID", 0, 3), "100"),
    ],
)  # fmt: skip
def test_no_such_place(place: Location, code: str) -> None:
    """A place that is not there, or that would change how all is read, is refused."""
    with pytest.raises(HL7Error) as caught:
        parse(ADT_A01).with_field(place, "x")
    assert caught.value.code == code


def test_header_and_character_set() -> None:
    """A wrong MSH-18 is corrected, and the message is read anew."""
    data = message(MSH_A01 + "||||||8859/1") + "PID|1||Zo\u00eb\r".encode()
    read = parse(data)
    assert read.segments[1].get(3) == "Zo\u00c3\u00ab"
    mended = read.with_field(Location("MSH", 1, 18), "UNICODE UTF-8")
    assert mended.segments[1].get(3) == "Zo\u00eb"
    assert read.with_field(Location("MSH", 1, 10), "C-2").header.control_id == "C-2"


def test_what_stands_before_the_header_stays() -> None:
    """A byte order mark and blank lines are not touched."""
    start = b"\xef\xbb\xbf\r\n\r\n"
    data = start + message(MSH_A01, "PID|1||4711", end="\r\n")
    changed = parse(data).with_field(Location("PID", 1, 3), "4712")
    assert changed.data == start + message(MSH_A01, "PID|1||4712", end="\r\n")


def test_what_cannot_be_written() -> None:
    """A character that the message's character set lacks is refused."""
    read = parse(message(MSH_A01 + "||||||8859/1", "PID|1"))
    with pytest.raises(NotEncodable):
        read.with_field(Location("PID", 1, 5), "\u0141")
    with pytest.raises(NotEncodable):
        read.with_field(Location("PID", 1, 5), "\u0141", raw=True)


@pytest.mark.parametrize(
    "text", ["", "PID^0", "PID^1^3^1^1^1^1", "pid^1", "PID-3", "PID^1^x", "PID^1^9999999999"]
)
def test_what_is_no_location(text: str) -> None:
    """Places are written as in ERR-2."""
    with pytest.raises(HL7Error) as caught:
        Location.parse(text)
    assert caught.value.code == "102"


@settings(deadline=None)
@given(
    text=st.text(),
    field=st.integers(1, 60),
    repetition=st.integers(1, 4),
    component=st.integers(1, 9),
    subcomponent=st.integers(1, 4),
)
def test_what_is_written_is_there(
    text: str, field: int, repetition: int, component: int, subcomponent: int
) -> None:
    """Any text at any place is read again, and the place is named in ERR-2's form."""
    place = Location("PID", 1, field, repetition, component, subcomponent)
    changed = parse(ADT_A01).with_field(place, text)
    assert changed.at(place) == ("" if text == '""' else text)
    assert Location.parse(str(place)) == place
    assert len(changed.segments) == len(parse(ADT_A01).segments)
