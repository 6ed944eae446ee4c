"""date: moments, days, years and periods, all of them intervals. https://hl7.org/fhir/R4/search.html#date

Indexed as `{lo, hi}`, the first moment of the interval and the first one after it, in UTC and milliseconds. A
date without a time zone is taken as UTC. An open end of a period lies in the year 1 or 9999. Of an interval
that is longer than a day the end stands in `until` too. So the few long ones have an index of their own, and
for all others a bound on one end of the interval is a bound on the other, which is what makes a search by
dates a short range of an index.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from fhir_server.search.asked import Asked, Condition, Reader, both, either
from fhir_server.search.escaping import split
from fhir_server.search.intervals import (
    FIRST,
    LAST,
    Interval,
    instant_interval,
    interval,
    shifted,
)
from fhir_server.search.prefixes import Prefix, split_prefix
from resources.fhirpath.element_paths import ElementPath

LONGEST_SHORT = timedelta(days=1)

# "Approximately" is a tenth of the time between now and the date: https://hl7.org/fhir/R4/search.html#prefix
_APPROXIMATION = 10
# More alternatives than these are left to MongoDB to combine.
_MOST_ALTERNATIVES = 12

Bounds = dict[str, dict[str, datetime]]
"""Conditions on `lo`, `hi` and `until` of one interval, all of which hold."""


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return _READERS.get(path.type, Reader(_date))


def may_be_long(path: ElementPath) -> bool:
    """Tell whether an element may stand for more than a day."""
    return path.type != "instant"


def _value(found: Interval | None) -> dict[str, datetime] | None:
    if found is None:
        return None
    lo, hi = found
    if hi - lo > LONGEST_SHORT:
        return {"lo": lo, "hi": hi, "until": hi}
    return {"lo": lo, "hi": hi}


def _date(text: str) -> dict[str, datetime] | None:
    return _value(interval(text))


def _instant(text: str) -> dict[str, datetime] | None:
    return _value(instant_interval(text))


def _period(period: dict[str, Any]) -> dict[str, datetime] | None:
    return _value(_period_interval(period))


def _period_interval(period: dict[str, Any]) -> Interval | None:
    start, end = period.get("start"), period.get("end")
    if start is None and end is None:
        return None
    lo = interval(start)[0] if start else FIRST
    # A period that ends before it starts is taken as the moment of its start.
    return lo, max(interval(end)[1] if end else LAST, shifted(lo, timedelta(milliseconds=1)))


def _timing(timing: dict[str, Any]) -> dict[str, datetime] | None:
    # Only the outer limits of a schedule count: https://hl7.org/fhir/R4/search.html#date
    found = [interval(event) for event in timing.get("event", ()) if event]
    bounds = _period_interval(timing.get("repeat", {}).get("boundsPeriod", {}))
    if bounds:
        found.append(bounds)
    return _value((min(lo for lo, _ in found), max(hi for _, hi in found)) if found else None)


_READERS = {"instant": Reader(_instant), "Period": Reader(_period), "Timing": Reader(_timing)}


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one date with its prefix, or several."""
    given = [list(_alternatives(asked, text)) for text in asked.texts]
    number = 1
    for alternatives in given:
        number *= len(alternatives)
    if not asked.field.is_bare or number > _MOST_ALTERNATIVES:
        return both(_on_field(asked, alternatives) for alternatives in given)
    # `ge2020-01-01` and `lt2020-02-01` about one value are a range, which MongoDB does not see by itself.
    return _on_field(asked, [_together(choice) for choice in product(*given)])


def _alternatives(asked: Asked, text: str) -> Iterable[Bounds]:
    for date in split(text, ","):
        prefix, start, end = _parsed(asked, date)
        yield from _bounds(prefix, start, end, asked.now)


def _parsed(asked: Asked, text: str) -> tuple[Prefix, datetime, datetime]:
    prefix, date = split_prefix(text)
    try:
        # In a query, "+" of a time zone arrives as a space if the client did not encode it.
        start, end = interval(date.replace(" ", "+"))
    except ValueError:
        raise asked.refusal("a date is YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ") from None
    return prefix, start, end


def _bounds(prefix: Prefix, start: datetime, end: datetime, now: datetime) -> list[Bounds]:
    """Return what the prefix asks of the interval of a resource: one of these.

    Each has a bound on `lo` or `until`, with which the two indexes begin, and no two have a `lo` in common:
    one comes after the other in the order of dates.
    """
    before: Bounds = {"lo": {"$lt": start}}
    within: Bounds = {"lo": {"$gte": start, "$lt": end}, "hi": {"$lte": end}}
    match prefix:
        case "eq":
            return [within]
        case "ne":
            return [before, {"lo": {"$gte": start}, "hi": {"$gt": end}}]
        case "gt":
            return _beyond(end)
        case "lt":
            return [before]
        case "ge":
            # No interval of a day or less reaches over both ends of one that is a day or more.
            above = _beyond(end)[1:] if end - start >= LONGEST_SHORT else _beyond(end)
            return [{"lo": {"$gte": start}}, *(_together((one, before)) for one in above)]
        case "le":
            return [before, within]
        case "sa":
            return [{"lo": {"$gte": end}}]
        case "eb":
            return [{"lo": {"$lt": start}, "hi": {"$lte": start}}]
        case "ap":
            margin = abs(now - start) / _APPROXIMATION
            before_end: Bounds = {"lo": {"$lt": shifted(end, margin)}}
            return [_together((before_end, bound)) for bound in _beyond(shifted(start, -margin))]


def _beyond(moment: datetime) -> list[Bounds]:
    """Return the bounds of intervals that go on after `moment`: all that begin late, and the long ones."""
    early = shifted(moment, -LONGEST_SHORT)
    return [
        {"lo": {"$gt": early}, "hi": {"$gt": moment}},
        {"lo": {"$lte": early}, "until": {"$gt": moment}},
    ]


_TIGHTER = {"$gt": max, "$gte": max, "$lt": min, "$lte": min}


def _together(bounds: Iterable[Bounds]) -> Bounds:
    """Return bounds that hold if all of `bounds` do."""
    merged: Bounds = {}
    for bound in bounds:
        for end, limits in bound.items():
            known = merged.setdefault(end, {})
            for operator, moment in limits.items():
                known[operator] = _TIGHTER[operator](known[operator], moment) if operator in known else moment
    return merged


def _on_field(asked: Asked, alternatives: list[Bounds]) -> Condition:
    path = asked.field.path
    if not asked.field.is_bare:
        return either({path: {"$elemMatch": bounds}} for bounds in alternatives)
    return either({f"{path}.{end}": limits for end, limits in bounds.items()} for bounds in alternatives)


def is_end_of(path: str, start: str) -> bool:
    """Tell whether at `path` stands the end of the intervals whose first moment stands at `start`."""
    stem, _, name = start.rpartition(".")
    return name == "lo" and path in (f"{stem}.hi", f"{stem}.until")


def moment_condition(asked: Asked) -> Condition:
    """Return the condition on a field that holds a moment itself, as `updated` does."""
    return both(
        either(_on_moment(asked, *_parsed(asked, date)) for date in split(text, ",")) for text in asked.texts
    )


def _on_moment(asked: Asked, prefix: Prefix, start: datetime, end: datetime) -> Condition:
    path = asked.field.path
    if prefix == "ne":
        return {"$or": [{path: {"$lt": start}}, {path: {"$gte": end}}]}
    margin = abs(asked.now - start) / _APPROXIMATION
    tests = {
        "eq": {"$gte": start, "$lt": end},
        "gt": {"$gte": end},
        "lt": {"$lt": start},
        "ge": {"$gte": start},
        "le": {"$lt": end},
        "sa": {"$gte": end},
        "eb": {"$lt": start},
        "ap": {"$gte": shifted(start, -margin), "$lt": shifted(end, margin)},
    }
    return {path: tests[prefix]}
