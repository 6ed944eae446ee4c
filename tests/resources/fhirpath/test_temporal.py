"""Dates, times and durations: http://hl7.org/fhirpath/N1/#datetime-arithmetic."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.fhirpath import FhirPathEvaluationError, evaluate
from resources.fhirpath.temporal import compare, from_datetime, parse_temporal


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@1973-12-25 + 7 days", "1974-01-01"),
        ("@1973-12-25 + 7.9 days", "1974-01-01"),
        ("@1973-12-25 + 1 'wk'", "1974-01-01"),
        ("@1973-12-25 + 1 'd'", "1973-12-26"),
        ("@1973-12-25 + 1 'month'", "1974-01-25"),
        ("@2019-03-01 + 24 months", "2021-03-01"),
        ("@2026-01-31 + 1 month", "2026-02-28"),
        ("@2024-02-29 + 1 year", "2025-02-28"),
        ("@2024-02-29 - 4 years", "2020-02-29"),
        ("@2024-03-31 - 1 month", "2024-02-29"),
        ("@2026-01-01T13:00:00 + 30 minutes", "2026-01-01T13:30:00"),
        ("@2026-01-01T23:45 + 30 minutes", "2026-01-02T00:15"),
        ("@2026-01-01T00:15 - 30 minutes", "2025-12-31T23:45"),
        ("@2026-01-01T00:00 - 48 hours", "2025-12-30T00:00"),
        ("@2026-01-01T10 + 90 minutes", "2026-01-01T11"),
        ("@2026-01-01T + 25 hours", "2026-01-02"),
        ("@1973-12-25T00:00:00.000+10:00 + 42.53 seconds", "1973-12-25T00:00:42.530+10:00"),
        ("@1973-12-25T00:00:00.000+10:00 + 10 'ms'", "1973-12-25T00:00:00.010+10:00"),
        ("@1973-12-25T00:00:00.000+10:00 + 1 'h'", "1973-12-25T01:00:00.000+10:00"),
        ("@T23:30:00 + 1 hour", "00:30:00"),
        ("@T01:00:00 + 48 hours", "01:00:00"),
        ("@T01:00:00 - 2 hours", "23:00:00"),
        ("@T10 + 90 minutes", "11"),
        ("@2014 + 24 months", "2016"),
        ("@2014 + 23 months", "2015"),
        ("@2016 + 365 days", "2017"),
        ("@2014 - 1 month", "2014"),
        ("@2026-02 + 5 weeks", "2026-03"),
        ("@2026-02 + 4 weeks", "2026-02"),
        ("@2026-02 - 1 day", "2026-02"),
        ("@2026-02 + 1 year", "2027-02"),
        ("@9999-12-31 + 1 day", None),
        ("@0001-01-01 - 1 day", None),
        ("@9999 + 1 year", None),
        ("@2015 + 99999999999999999999 years", None),
        ("@2015-01-01 + 99999999999999999999999999999999999999999999 days", None),
        ("@2015 + {}", None),
    ],
)
def test_arithmetic(expression: str, expected: str | None) -> None:
    """The table and the examples of the chapter; None where there is no such day."""
    assert evaluate(expression, {}) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("@1973-12-25 + 1 'mo'", "a duration in 'mo' cannot be added to a Date"),
        ("@1973-12-25 + 1 'a'", "a duration in 'a' cannot be added to a Date"),
        ("@1973-12-25 + 1 hour", "a duration in 'hour' cannot be added to a Date"),
        ("@1974-12-25 - 1 'cm'", "a duration in 'cm' cannot be added to a Date"),
        ("@T10:00 + 1 day", "a duration in 'day' cannot be added to a Time"),
        ("@1974-12-25 + 7", "'+' is not defined for System.Date and System.Integer"),
        ("7 days + @1974-12-25", "'+' is not defined for System.Quantity and System.Date"),
    ],
)
def test_what_cannot_be_added(expression: str, message: str) -> None:
    """A unit that the value does not have, and one that is no unit of the calendar, is an error."""
    with pytest.raises(FhirPathEvaluationError) as caught:
        evaluate(expression, {})
    assert str(caught.value) == f"FHIRPath: {message}"


def test_ages_of_fhir_are_calendar_durations() -> None:
    """https://hl7.org/fhir/R4/fhirpath.html#quantity: a FHIR Quantity in years may be added to a date."""
    age = {"value": 2, "system": "http://unitsofmeasure.org", "code": "a"}
    condition: dict[str, Any] = {"resourceType": "Condition", "onsetAge": age}
    assert evaluate("@2020-02-29 + onset", condition) == ["2022-02-28"]
    assert evaluate("onset = 24 months", condition) == [True]
    bounded = {**condition, "onsetAge": {**age, "comparator": "<"}}
    assert evaluate("onset = 2 years", bounded) == [False]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1.587.lowBoundary()", "1.58650000"),
        ("1.587.lowBoundary(2)", "1.58"),
        ("1.587.lowBoundary(0)", "1"),
        ("(-1.587).lowBoundary(6)", "-1.587500"),
        ("(-1.587).lowBoundary(2)", "-1.59"),
        ("1.587.highBoundary(2)", "1.59"),
        ("(-1.587).highBoundary()", "-1.58650000"),
        ("1.highBoundary(0)", "2"),
        ("1.587.lowBoundary(-1)", None),
        ("1.587.lowBoundary(29)", None),
        ("{}.lowBoundary()", None),
        ("(1.587 'cm').lowBoundary(8)", "1.58650000 'cm'"),
        ("(1.587 'cm').lowBoundary(99)", None),
        ("@2014.lowBoundary(6)", "2014-01"),
        ("@2014.highBoundary()", "2014-12-31"),
        ("@2016-02.highBoundary()", "2016-02-29"),
        ("@2014.lowBoundary(5)", None),
        ("@2014-01-01T08.lowBoundary(17)", "2014-01-01T08:00:00.000+14:00"),
        ("@2014-01-01T08.highBoundary(17)", "2014-01-01T08:59:59.999-12:00"),
        ("@2014-01-01T08:05+08:00.lowBoundary()", "2014-01-01T08:05:00.000+08:00"),
        ("@2014-01-01T08:05:10.1Z.highBoundary()", "2014-01-01T08:05:10.199Z"),
        ("@2014-01-01T08:05:00Z.highBoundary(14)", "2014-01-01T08:05:00Z"),
        ("@2014-01-01T08.lowBoundary(8)", "2014-01-01"),
        ("@2014T.highBoundary(12)", "2014-12-31T23:59-12:00"),
        ("@T10:30.lowBoundary(9)", "10:30:00.000"),
        ("@T10:30.highBoundary()", "10:30:59.999"),
        ("@T10.highBoundary(4)", "10:59"),
        ("@T10:30:15.highBoundary(6)", "10:30:15"),
        ("1.58700.precision()", "5"),
        ("100.precision()", "0"),
        ("(1.50 'mg').precision()", "2"),
        ("@2014.precision()", "4"),
        ("@2014-01-05T10:30:00.000.precision()", "17"),
        ("@T10:30.precision()", "4"),
        ("@T10:30:00.000.precision()", "9"),
        ("{}.precision()", None),
    ],
)
def test_boundaries(expression: str, expected: str | None) -> None:
    """http://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time and on."""
    assert evaluate(f"({expression}).toString()", {}) == ([] if expected is None else [expected])


MOMENTS = st.datetimes(
    datetime(1900, 1, 2),
    datetime(2100, 1, 1),
    timezones=st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters))),
)


@given(MOMENTS, MOMENTS)
def test_moments_are_ordered_as_python_orders_them(one: datetime, other: datetime) -> None:
    """Two moments that know their offsets compare as instants do."""
    one, other = (moment.replace(microsecond=moment.microsecond // 1000 * 1000) for moment in (one, other))
    assert compare(from_datetime(one), from_datetime(other)) == (one > other) - (one < other)


@given(MOMENTS)
def test_what_is_printed_is_parsed(moment: datetime) -> None:
    """The text of a moment is the moment."""
    temporal = from_datetime(moment)
    assert parse_temporal(str(temporal), "DateTime") == temporal


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(-40_000, 40_000))
def test_days_are_added_as_python_adds_them(day: date, days: int) -> None:
    """Days respect the lengths of months and years."""
    assert evaluate(f"@{day} + ({days}) * 1 day", {}) == [str(day + timedelta(days=days))]


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 5000))
def test_months_keep_the_day_or_end_the_month(day: date, months: int) -> None:
    """Adding months leads to the same day of a later month, or to its last day."""
    found = date.fromisoformat(evaluate(f"@{day} + {months} months", {})[0])
    assert (found.year - day.year) * 12 + found.month - day.month == months
    assert found.day == day.day or (found + timedelta(days=1)).day == 1


def test_a_moment_needs_whole_minutes() -> None:
    """FHIR's offsets have no seconds."""
    odd = timezone(timedelta(seconds=30))
    for moment in (datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=odd)):
        with pytest.raises(ValueError, match="offset of whole minutes"):
            from_datetime(moment)
    assert str(from_datetime(datetime(2020, 1, 1, tzinfo=UTC))) == "2020-01-01T00:00:00.000Z"
