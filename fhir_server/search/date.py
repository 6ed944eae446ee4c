"""date: moments, days, years and periods, all of them intervals. https://hl7.org/fhir/R4/search.html#date

Indexed as `{lo, hi}`, the first moment of the interval and the first one after it, in UTC and milliseconds. A
date without a time zone is taken as UTC. An open end of a period lies in the year 1 or 9999.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from fhir_server.search.asked import Asked, Condition, either
from fhir_server.search.escaping import split
from fhir_server.search.prefixes import Prefix, split_prefix

MODIFIERS: tuple[str, ...] = ()

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)

_MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)

Interval = tuple[datetime, datetime]

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)
# "Approximately" is a tenth of the time between now and the date: https://hl7.org/fhir/R4/search.html#prefix
_APPROXIMATION = 10


def values(element: Any, fhir_type: str) -> list[dict[str, datetime]]:
    """Return the index values of one element."""
    if fhir_type == "Period":
        found = _period(element)
    elif fhir_type == "Timing":
        found = _timing(element)
    else:
        found = interval(element)
    return [{"lo": found[0], "hi": found[1]}] if found else []


def _period(period: dict[str, Any]) -> Interval | None:
    start, end = period.get("start"), period.get("end")
    if start is None and end is None:
        return None
    return interval(start)[0] if start else FIRST, interval(end)[1] if end else LAST


def _timing(timing: dict[str, Any]) -> Interval | None:
    # Only the outer limits of a schedule count: https://hl7.org/fhir/R4/search.html#date
    found = [interval(event) for event in timing.get("event", ()) if event]
    bounds = _period(timing.get("repeat", {}).get("boundsPeriod", {}))
    if bounds:
        found.append(bounds)
    return (min(lo for lo, _ in found), max(hi for _, hi in found)) if found else None


@lru_cache(maxsize=8192)
def interval(text: str) -> Interval:
    """Return the interval that a FHIR date, dateTime or instant stands for; ValueError if it is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is None:
        start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        return start, _end_of_date(start, has_month=month is not None, has_day=day is not None)
    # A leap second counts as the second before it: Python and MongoDB know no such moment.
    seconds = min(int(second or 0), 59)
    microseconds = int((fraction or "0")[:3].ljust(3, "0")) * 1000
    date = (int(year), int(month), int(day))
    local = datetime(*date, int(hour), int(minute), seconds, microseconds, tzinfo=UTC)
    start = _clamped(local, -_offset(zone))
    precision = _MILLISECOND if fraction else _SECOND if second else _MINUTE
    return start, _clamped(start, precision)


def _end_of_date(start: datetime, *, has_month: bool, has_day: bool) -> datetime:
    if has_day:
        return _clamped(start, timedelta(days=1))
    if has_month and start.month < 12:
        return start.replace(month=start.month + 1)
    return LAST if start.year == 9999 else start.replace(year=start.year + 1, month=1)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta(0)
    sign = -1 if zone[0] == "-" else 1
    return sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))


def _clamped(moment: datetime, distance: timedelta) -> datetime:
    try:
        return min(moment + distance, LAST)
    except OverflowError:
        return FIRST if distance < timedelta(0) else LAST


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one date with its prefix, or several."""
    return either([_one(asked, text) for text in split(asked.text, ",")])


def _one(asked: Asked, text: str) -> Condition:
    prefix, date = split_prefix(text)
    try:
        # In a query, "+" of a time zone arrives as a space if the client did not encode it.
        start, end = interval(date.replace(" ", "+"))
    except ValueError:
        raise asked.refusal("a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ") from None
    bounds = _bounds(prefix, start, end, asked.now)
    if asked.field == "updated":
        return _on_moment(bounds)
    return _on_field(asked, bounds)


Bounds = list[dict[str, dict[str, datetime]]]
"""Alternatives, each with conditions on `lo` and `hi`."""


def _bounds(prefix: Prefix, start: datetime, end: datetime, now: datetime) -> Bounds:
    """Return what the prefix asks of the interval of a resource."""
    # Each says something of `lo`, the key that the index begins with, even if that is always so.
    within = {"lo": {"$gte": start}, "hi": {"$lte": end}}
    above = {"lo": {"$gte": FIRST}, "hi": {"$gt": end}}
    below = {"lo": {"$lt": start}}
    if prefix == "ap":
        margin = abs(now - start) / _APPROXIMATION
        return [{"lo": {"$lt": _clamped(end, margin)}, "hi": {"$gt": _clamped(start, -margin)}}]
    table: dict[Prefix, Bounds] = {
        "eq": [within],
        "ne": [above, below],
        "gt": [above],
        "lt": [below],
        "ge": [above, within],
        "le": [below, within],
        "sa": [{"lo": {"$gte": end}}],
        "eb": [{"lo": {"$lt": start}, "hi": {"$lte": start}}],
    }
    return table[prefix]


def _on_field(asked: Asked, bounds: Bounds) -> Condition:
    if asked.single:
        return either([{f"{asked.field}.{end}": limit for end, limit in bound.items()} for bound in bounds])
    return either([{asked.field: {"$elemMatch": bound}} for bound in bounds])


def _on_moment(bounds: Bounds) -> Condition:
    return either([{"updated": limit} for bound in bounds for limit in [_merged(bound)]])


def _merged(bound: dict[str, dict[str, datetime]]) -> dict[str, datetime]:
    """Return conditions on both ends of an interval as conditions on one moment of a millisecond's length."""
    merged: dict[str, datetime] = {}
    for end, limit in bound.items():
        for operator, moment in limit.items():
            # hi is a millisecond after the moment: hi <= x is moment < x, hi > x is moment >= x.
            merged[{"$lte": "$lt", "$gt": "$gte"}[operator] if end == "hi" else operator] = moment
    return merged
