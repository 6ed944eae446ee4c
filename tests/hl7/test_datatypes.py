"""Times and numbers: as precise as they were sent, and with the zone that they have (HL7 v2.5.1 §2.A)."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.datatypes import (
    StructuredNumeric,
    fhir_time,
    number,
    structured_numeric,
    timestamp,
    zone_of_message,
)
from hl7.encoding_characters import DEFAULT
from hl7.errors import HL7Error, Location
from hl7.segment import Repetition

_BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024", "2024"),
        ("202402", "2024-02"),
        ("20240229", "2024-02-29"),
        ("2024022908", "2024-02-29"),
        ("202402290815", "2024-02-29T08:15:00+01:00"),
        ("20240229081530", "2024-02-29T08:15:30+01:00"),
        ("20240729081530", "2024-07-29T08:15:30+02:00"),
        ("20240229081530.1", "2024-02-29T08:15:30.1+01:00"),
        ("20240229081530.1230", "2024-02-29T08:15:30.1230+01:00"),
        ("20240229081530.1230-0500", "2024-02-29T08:15:30.1230-05:00"),
        ("20240229081530+00", "2024-02-29T08:15:30+00:00"),
        ("202402290815+0530", "2024-02-29T08:15:00+05:30"),
        ("20240229+0530", "2024-02-29"),
        (" 20240229 ", "2024-02-29"),
    ],
)
@pytest.mark.failure_story("offset-rewritten", "precision-invented", "short-offset", "long-fraction")
def test_date_time(text: str, expected: str) -> None:
    """Neither offset nor precision is invented or lost (CDC#6469, #12044; LFH#55; MS#401, #481)."""
    assert timestamp(text).fhir_date_time(_BERLIN) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "24", "2024-02-29", "20240230", "20230229", "20241301", "20240001", "20240100", "00000101",
        "2024022924", "202402290860", "20240229081561", "20240229081530.12345", "20240229081530+2500",
        "20240229081530+0160", "20240229T08", "now", "2024022908153", "\u0662\u0660\u0662\u0664",
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    """It is a data type error, and the place is told."""
    with pytest.raises(HL7Error) as caught:
        timestamp(text, Location("PID", 1, 7))
    assert (caught.value.code, str(caught.value.location)) == ("102", "PID^1^7")


def test_date() -> None:
    """A date is the local day that was sent."""
    assert timestamp("198001010030+0200").fhir_date() == "1980-01-01"
    assert timestamp("1980").fhir_date() == "1980"


def test_time_that_comes_twice() -> None:
    """When clocks are set back, the first of two is taken, and a warning given."""
    warnings: list[HL7Error] = []
    assert timestamp("202410270230").fhir_date_time(_BERLIN, warnings) == "2024-10-27T02:30:00+02:00"
    assert [(warning.code, warning.severity) for warning in warnings] == [("102", "W")]
    assert timestamp("202410270230+0100").fhir_date_time(_BERLIN, warnings) == "2024-10-27T02:30:00+01:00"
    assert len(warnings) == 1


def test_time_that_never_was() -> None:
    """When clocks are set forward, an hour is no time of that day."""
    with pytest.raises(HL7Error, match="leave out") as caught:
        timestamp("202403310230").fhir_date_time(_BERLIN)
    assert caught.value.code == "102"


@pytest.mark.failure_story("time-without-zone")
def test_no_zone_at_all() -> None:
    """A time without a zone is no FHIR dateTime; a date needs none."""
    assert timestamp("20240229").fhir_date_time(None) == "2024-02-29"
    with pytest.raises(HL7Error, match="without a time zone"):
        timestamp("202402290815").fhir_date_time(None)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("20240229081530-0500", timezone(timedelta(hours=-5))),
        ("20240229081530", _BERLIN),
        ("", _BERLIN),
        ("garbage", _BERLIN),
    ],
)
def test_zone_of_message(header: str, expected: tzinfo) -> None:
    """MSH-7's zone is that of the message, else the channel's is."""
    assert zone_of_message(header, _BERLIN) == expected


def test_order_of_events() -> None:
    """A less precise time is as early as it may be."""
    assert timestamp("20240229").earliest(_BERLIN) == datetime(2024, 2, 28, 23, tzinfo=UTC)
    assert timestamp("20240229081530.5+0100").earliest(_BERLIN) == datetime(
        2024, 2, 29, 7, 15, 30, 500000, UTC
    )
    assert timestamp("0001").earliest(ZoneInfo("Asia/Tokyo")).year == 1


@settings(deadline=None)
@given(moment=st.datetimes(), offset=st.integers(-12 * 60, 14 * 60))
def test_every_moment_is_kept(moment: datetime, offset: int) -> None:
    """What Python writes in HL7's form is the same moment in FHIR's."""
    moment = moment.replace(
        tzinfo=timezone(timedelta(minutes=offset)), microsecond=moment.microsecond // 100 * 100
    )
    text = moment.strftime("%Y").zfill(4) + moment.strftime("%m%d%H%M%S.%f")[:-2] + moment.strftime("%z")
    assert datetime.fromisoformat(timestamp(text).fhir_date_time(None)) == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [("08", "08:00:00"), ("0815", "08:15:00"), ("081530.12", "08:15:30.12"), ("235959+0100", "23:59:59")],
)
def test_time(text: str, expected: str) -> None:
    """A time of a day has no zone in FHIR."""
    assert fhir_time(text) == expected


@pytest.mark.parametrize("text", ["", "8", "24", "0860", "081560", "0815.5", "08:15", "0815+9900"])
def test_what_is_no_time_of_a_day(text: str) -> None:
    """It is a data type error."""
    with pytest.raises(HL7Error) as caught:
        fhir_time(text)
    assert caught.value.code == "102"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13.50", "13.50"), ("007", "7"), ("0", "0"), ("000", "0"), (".5", "0.5"), ("5.", "5"), ("+1", "1"),
        ("-01.10", "-1.10"), ("-.5", "-0.5"), (" 12 ", "12"), ("9" * 50, "9" * 50),
    ],
)  # fmt: skip
def test_number(text: str, expected: str) -> None:
    """A number keeps its digits, and is written as JSON wants it."""
    assert number(text) == expected


@pytest.mark.parametrize("text", ["", ".", "-", "1,5", "1e5", "1 000", "0x1", "\u0661", ">5", "1.2.3", "--1"])
def test_what_is_no_number(text: str) -> None:
    """It is a data type error, and no number is guessed."""
    with pytest.raises(HL7Error) as caught:
        number(text)
    assert caught.value.code == "102"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">^100", StructuredNumeric(">", "100", "", "")),
        ("^100^-^200", StructuredNumeric("", "100", "-", "200")),
        ("^1^:^128", StructuredNumeric("", "1", ":", "128")),
        ("^2^+", StructuredNumeric("", "2", "+", "")),
        ("<>^10", StructuredNumeric("<>", "10", "", "")),
        ("", StructuredNumeric("", "", "", "")),
    ],
)
def test_structured_numeric(text: str, expected: StructuredNumeric) -> None:
    """Each form of §2.A.70 is read."""
    assert structured_numeric(Repetition(text, DEFAULT, "utf-8")) == expected


@pytest.mark.parametrize("text", ["=>^5", "^5^to^6", "^a", "^1^^2"])
def test_what_is_no_structured_numeric(text: str) -> None:
    """It is a data type error."""
    with pytest.raises(HL7Error) as caught:
        structured_numeric(Repetition(text, DEFAULT, "utf-8"))
    assert caught.value.code == "102"
