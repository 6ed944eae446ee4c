"""Add a duration to a date, dateTime or time by the calendar, and to a partial one as far as it is precise.

Source: http://hl7.org/fhirpath/N1/#datetime-arithmetic
"""

from calendar import monthrange
from datetime import MAXYEAR, MINYEAR, date
from decimal import Decimal

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.quantities import Quantity
from resources.fhirpath.temporal import Temporal, TemporalType

_UNITS = ("year", "month", "day", "hour", "minute", "second")
_ALLOWED: dict[TemporalType, tuple[str, ...]] = {"Date": _UNITS[:3], "DateTime": _UNITS, "Time": _UNITS[3:]}

_NAMES = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}
"""The UCUM units that are as long as a unit of the calendar; 'a' and 'mo' are not."""

_IN_LARGER_UNITS = {"second": (60, "minute"), "minute": (60, "hour"), "hour": (24, "day")}
_DAYS = {"month": 30, "year": 365}
_SECONDS_PER_DAY = 24 * 60 * 60


def add(temporal: Temporal, duration: Quantity, sign: int) -> Temporal | None:
    """Return what is `duration` later (`sign` 1) or earlier (-1), equally precise; None beyond all calendars.

    Raises FhirPathEvaluationError for a unit that cannot be added to such a value.
    """
    amount, unit = _calendar_amount(duration)
    if unit not in _ALLOWED[temporal.type]:
        raise FhirPathEvaluationError(f"a duration in '{duration.unit}' cannot be added to a {temporal.type}")
    amount, unit = _in_unit_of(temporal, amount, unit)
    amount *= sign
    if unit in ("year", "month"):
        return _add_months(temporal, int(amount) * (12 if unit == "year" else 1))
    seconds = {"day": _SECONDS_PER_DAY, "hour": 3600, "minute": 60, "second": 1}[unit]
    return _add_seconds(temporal, amount * seconds)


def _calendar_amount(duration: Quantity) -> tuple[Decimal, str]:
    """Return a duration in one of `_UNITS`, whole unless it is in seconds."""
    unit = duration.unit if duration.is_calendar else _NAMES.get(duration.unit, duration.unit)
    if not duration.is_calendar and duration.unit not in _NAMES:
        unit = f"'{duration.unit}'"  # year and month are no UCUM units, and 'a' and 'mo' no calendar ones
    if unit == "millisecond":
        return duration.value.scaleb(-3), "second"
    if unit == "second":
        return duration.value, unit
    whole = Decimal(int(duration.value))
    return (whole * 7, "day") if unit == "week" else (whole, unit)


def _in_unit_of(temporal: Temporal, amount: Decimal, unit: str) -> tuple[Decimal, str]:
    """Return a duration in the finest unit that `temporal` has, whole, if it was in a finer one."""
    precise_to = _ALLOWED[temporal.type][len(temporal.fields) - 1 :]
    finest = precise_to[0] if precise_to else "second"
    if _UNITS.index(unit) <= _UNITS.index(finest):
        return amount, unit
    while unit != finest and unit in _IN_LARGER_UNITS:
        factor, unit = _IN_LARGER_UNITS[unit]
        amount /= factor
    if unit == "day" and finest in _DAYS:
        amount, unit = amount / _DAYS[finest], finest
    elif unit == "month" and finest == "year":
        amount, unit = amount / 12, finest
    return Decimal(int(amount)), unit


def _add_months(temporal: Temporal, months: int) -> Temporal | None:
    year, month, *day = temporal.day if len(temporal.day) > 1 else (*temporal.day, 1)
    year, month = divmod(year * 12 + month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        return None
    last_day = monthrange(year, month + 1)[1]
    moved = (year, month + 1, *(min(number, last_day) for number in day))[: len(temporal.day)]
    return Temporal(temporal.type, moved, temporal.clock, temporal.second, temporal.offset)


def _add_seconds(temporal: Temporal, seconds: Decimal) -> Temporal | None:
    hour, minute = (*temporal.clock, 0, 0)[:2]
    second = Decimal(0) if temporal.second is None else temporal.second  # Decimal("0.000") keeps its digits
    clock = hour * 3600 + minute * 60 + second + seconds
    days = int(clock // _SECONDS_PER_DAY) - (1 if clock < 0 and clock % _SECONDS_PER_DAY else 0)
    clock -= days * _SECONDS_PER_DAY
    day = temporal.day
    if day:
        ordinal = date(*day).toordinal() + days
        if not 1 <= ordinal <= date.max.toordinal():
            return None
        moved = date.fromordinal(ordinal)
        day = (moved.year, moved.month, moved.day)
    hour, minute = int(clock) // 3600, int(clock) // 60 % 60
    second = clock - (hour * 3600 + minute * 60)
    return Temporal(
        temporal.type,
        day,
        (hour, minute)[: len(temporal.clock)],
        None if temporal.second is None else second,
        temporal.offset,
    )
