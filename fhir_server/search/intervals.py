"""The interval of time that a date of any precision stands for.

https://hl7.org/fhir/R4/search.html#date, https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Interval = tuple[datetime, datetime]
"""The first moment, and the first one after it: aware, UTC, in whole milliseconds."""

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)

_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1)

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)


# Any number of digits may follow a second; what is remembered is bounded in number and length.
_LONGEST_REMEMBERED = 40


def interval(text: str) -> Interval:
    """Return the interval that a FHIR date or dateTime stands for; ValueError if it is none.

    Times may lack the seconds, as they may in a search. What has no time zone is taken as UTC.
    """
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _interval(text)


def _interval(text: str) -> Interval:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
    if hour is None:
        return start, _end_of_date(start, has_month=month is not None, has_day=day is not None)
    # A leap second counts as the second before it: Python and MongoDB know no such moment.
    seconds = 59 if second == "60" else int(second or 0)
    local = start.replace(hour=int(hour), minute=int(minute), second=seconds)
    start = min(shifted(local, _milliseconds(fraction) - _offset(zone)), LAST - _MILLISECOND)
    return start, shifted(start, _width(second, fraction))


_remembered = lru_cache(maxsize=8192)(_interval)


def instant_interval(text: str) -> Interval:
    """Return the interval of a FHIR instant: a single millisecond, the shortest time known here."""
    start = interval(text)[0]
    return start, shifted(start, _MILLISECOND)


def shifted(moment: datetime, distance: timedelta) -> datetime:
    """Return `moment` moved by `distance`, but no further than time goes here."""
    try:
        return min(moment + distance, LAST)
    except OverflowError:
        return FIRST if distance < timedelta(0) else LAST


def _end_of_date(start: datetime, *, has_month: bool, has_day: bool) -> datetime:
    if has_day:
        return shifted(start, _DAY)
    if has_month and start.month < 12:
        return start.replace(month=start.month + 1)
    return LAST if start.year == 9999 else start.replace(year=start.year + 1, month=1)


def _milliseconds(fraction: str | None) -> timedelta:
    return timedelta(milliseconds=int((fraction or "0")[:3].ljust(3, "0")))


def _width(second: str | None, fraction: str | None) -> timedelta:
    """Return how long the last part that is given takes: a minute, a second, a tenth of one and so on."""
    if second is None:
        return timedelta(minutes=1)
    digits = min(len(fraction or ""), 3)
    return timedelta(milliseconds=10 ** (3 - digits))


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError("no such time zone")
    distance = timedelta(hours=hours, minutes=minutes)
    return -distance if zone[0] == "-" else distance
