"""Is a moment, a day or a period as it is asked for? https://hl7.org/fhir/R4/search.html#date"""

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fhir_server.search.agreement.asking import Asked, prefixed
from tests.fhir_server.search.agreement.elements import Element, Resource

_MILLISECOND = timedelta(milliseconds=1)
_EVER = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))

Span = tuple[datetime, datetime]
"""The first moment of an interval, and the first one after it."""


def meets(element: Element, text: str, asked: Asked) -> bool:
    """Tell whether the interval of an element is as `text` asks."""
    prefix, date = prefixed(text)
    target = span(element.type, element.value)
    if target is None:
        return False
    (low, high), (start, end) = target, span_of_date(date)
    contained = start <= low and high <= end
    above, below = high > end, low < start
    reach = abs(asked.now - start) / 10
    return {
        "eq": contained,
        "ne": not contained,
        "gt": above,
        "lt": below,
        "ge": above or contained,
        "le": below or contained,
        "sa": low >= end,
        "eb": high <= start,
        "ap": low < end + reach and high > start - reach,
    }[prefix]


def span(fhir_type: str, value: Any) -> Span | None:
    """Return the interval that an element stands for."""
    if fhir_type == "instant":
        start = span_of_date(value)[0]
        return start, start + _MILLISECOND
    if fhir_type == "Timing":
        found = [span_of_date(event) for event in value.get("event", [])]
        bounds = value.get("repeat", {}).get("boundsPeriod")
        found += [_span_of_period(bounds)] if bounds else []
        return (min(low for low, _ in found), max(high for _, high in found)) if found else None
    if fhir_type == "Period":
        return _span_of_period(value) if "start" in value or "end" in value else None
    return span_of_date(value)


def _span_of_period(period: Resource) -> Span:
    start, end = period.get("start"), period.get("end")
    low = span_of_date(start)[0] if start else _EVER[0]
    high = span_of_date(end)[1] if end else _EVER[1]
    # A period that ends before it starts is taken as the moment of its start.
    return low, max(high, low + _MILLISECOND)


def span_of_date(text: str) -> Span:
    """Return the interval of a date, which is as long as its precision."""
    date, _, time = text.partition("T")
    year, month, day, *_ = [int(part) for part in date.split("-")] + [0, 0]
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    if not time:
        days = 1 if day else calendar.monthrange(year, month)[1] if month else 365 + calendar.isleap(year)
        return start, start + timedelta(days=days)
    match = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|([+-])(\d\d):(\d\d))?", time)
    assert match
    hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = match.groups()
    start += timedelta(hours=int(hour), minutes=int(minute), seconds=int(second or 0))
    if sign:
        shift = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        start += -shift if sign == "+" else shift
    if not second:
        return start, start + timedelta(minutes=1)
    digits = (fraction or "")[:3]
    start += timedelta(milliseconds=int(digits.ljust(3, "0")))
    return start, start + timedelta(seconds=1) / 10 ** len(digits)
