"""Dates stand for intervals of time. https://hl7.org/fhir/R4/search.html#date"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.intervals import FIRST, LAST, instant_interval, interval, shifted


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


PRECISIONS = [
    # "2000 is equivalent to an interval of [2000-01-01T00:00, 2000-12-31T23:59]"
    ("2000", "2000-01-01", "2001-01-01"),
    # "2000-04 is equivalent to an interval of [2000-04-01T00:00, 2000-04-30T23:59]"
    ("2000-04", "2000-04-01", "2000-05-01"),
    ("2000-12", "2000-12-01", "2001-01-01"),
    ("2000-02-29", "2000-02-29", "2000-03-01"),
    # "2013-01-10 specifies all the time from 00:00 on 10-Jan 2013 to immediately before 00:00 on 11-Jan"
    ("2013-01-10", "2013-01-10", "2013-01-11"),
    ("2013-01-10T09:30", "2013-01-10T09:30", "2013-01-10T09:31"),
    ("2013-01-10T09:30Z", "2013-01-10T09:30", "2013-01-10T09:31"),
    ("2013-01-10T09:30:15Z", "2013-01-10T09:30:15", "2013-01-10T09:30:16"),
    ("2013-01-10T09:30:15.2Z", "2013-01-10T09:30:15.200", "2013-01-10T09:30:15.300"),
    ("2013-01-10T09:30:15.25Z", "2013-01-10T09:30:15.250", "2013-01-10T09:30:15.260"),
    ("2013-01-10T09:30:15.250Z", "2013-01-10T09:30:15.250", "2013-01-10T09:30:15.251"),
    ("2013-01-10T09:30:15.2509876543210Z", "2013-01-10T09:30:15.250", "2013-01-10T09:30:15.251"),
    ("2013-01-10T23:30:00-05:00", "2013-01-11T04:30", "2013-01-11T04:30:01"),
    ("2013-01-10T00:30:00+05:30", "2013-01-09T19:00", "2013-01-09T19:00:01"),
    ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59", "2017-01-01"),
]


@pytest.mark.parametrize(("text", "first", "next_one"), PRECISIONS)
def test_precision(text: str, first: str, next_one: str) -> None:
    """A date is as long as its last part, in its own time zone, or in UTC if it has none."""
    assert interval(text) == (_at(first), _at(next_one))


@pytest.mark.parametrize("text", ["2013-01-10T09:30:15Z", "2013-01-10T09:30:15.000Z"])
def test_instant(text: str) -> None:
    """An instant is a point in time, however it is written: "an interval with an effective width of 0"."""
    start = _at("2013-01-10T09:30:15")
    assert instant_interval(text) == (start, start + timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "23 May 2009",
        "13-01-10",
        "2013-1-10",
        "2013-13",
        "2013-02-30",
        "2013-01-10T",
        "2013-01-10T09",
        "2013-01-10T24:00",
        "2013-01-10T09:60",
        "2013-01-10T09:30:61Z",
        "2013-01-10T09:30:15+25:00",
        "2013-01-10Z",
        "2013-01-10 ",
        "٢٠١٣",
        "0000",
    ],
)
def test_not_a_date(text: str) -> None:
    """What has another form, or is no day of the calendar, is no date."""
    with pytest.raises(ValueError, match=r".+"):
        interval(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001-01-01T00:00:00+14:00", (FIRST, FIRST + timedelta(seconds=1))),
        ("9999", (_at("9999-01-01"), LAST)),
        ("9999-12", (_at("9999-12-01"), LAST)),
        ("9999-12-31", (_at("9999-12-31"), LAST)),
        ("9999-12-31T23:59:59-05:00", (LAST - timedelta(milliseconds=1), LAST)),
    ],
)
def test_ends_of_time(text: str, expected: tuple[datetime, datetime]) -> None:
    """What would lie before the year 1 or after 9999 is moved to there."""
    assert interval(text) == expected


@given(moment=st.datetimes(timezones=st.just(UTC)), distance=st.timedeltas())
def test_shifted_stays_in_time(moment: datetime, distance: timedelta) -> None:
    """A shifted moment never leaves the time that there is."""
    assert FIRST <= shifted(moment, distance) <= LAST
