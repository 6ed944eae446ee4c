"""Dates, dateTimes and times that may be partial, compared without guessing what they do not say.

Source: http://hl7.org/fhirpath/N1/#date, http://hl7.org/fhirpath/N1/#datetime-equality
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime
from decimal import Decimal
from typing import Literal

TemporalType = Literal["Date", "DateTime", "Time"]

_TIME_OF_DAY = r"(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d{1,20})?))?)?"
_DAY = r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
_OFFSET = r"(?P<offset>Z|[+-]\d{2}:\d{2})?"
_PATTERNS: dict[TemporalType, re.Pattern[str]] = {
    "Date": re.compile(rf"{_DAY})?)?", re.ASCII),
    "DateTime": re.compile(rf"{_DAY}(?:T{_TIME_OF_DAY}{_OFFSET})?)?)?T?", re.ASCII),
    "Time": re.compile(rf"T?{_TIME_OF_DAY}", re.ASCII),
}

# A dateTime without an offset may be of any clock on earth: from UTC+14 to UTC-12.
EARLIEST_OFFSET = 14 * 60
LATEST_OFFSET = -12 * 60

_MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Temporal:
    """A Date, DateTime or Time as far as it is precise.

    `day` is year, month and day, as many as there are; () in a Time. `clock` is hour and minute. `second`
    keeps its digits. `offset` is in minutes east of UTC, None if nothing is said.
    """

    type: TemporalType
    day: tuple[int, ...]
    clock: tuple[int, ...] = ()
    second: Decimal | None = None
    offset: int | None = None

    @property
    def fields(self) -> tuple[int | Decimal, ...]:
        """All that is said, from the largest unit to the smallest."""
        return (*self.day, *self.clock) if self.second is None else (*self.day, *self.clock, self.second)

    def __str__(self) -> str:
        """Return the text in FHIR's format, to the precision that there is."""
        text = "-".join(f"{number:0{4 if place == 0 else 2}}" for place, number in enumerate(self.day))
        if not self.clock:
            return text
        clock = [f"{number:02}" for number in self.clock]
        if self.second is not None:
            clock.append(("0" if self.second < 10 else "") + f"{self.second:f}")
        return f"{text}{'T' if self.day else ''}{':'.join(clock)}{_offset_text(self.offset)}"


def _offset_text(offset: int | None) -> str:
    if not offset:
        return "" if offset is None else "Z"
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"


def parse_temporal(text: str, type_: TemporalType) -> Temporal | None:
    """Return the date, dateTime or time that a text says, partial or not; None if it says none."""
    match = _PATTERNS[type_].fullmatch(text)
    if match is None:
        return None
    parts = match.groupdict()
    found = Temporal(
        type=type_,
        day=tuple(int(parts[unit]) for unit in ("year", "month", "day") if parts.get(unit)),
        clock=tuple(int(parts[unit]) for unit in ("hour", "minute") if parts.get(unit)),
        second=Decimal(parts["second"]) if parts.get("second") else None,
        offset=_offset(parts.get("offset")),
    )
    return found if _is_real(found) else None


def _offset(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def _is_real(temporal: Temporal) -> bool:
    if any(number > most for number, most in zip(temporal.clock, (23, 59), strict=False)):
        return False
    if temporal.second is not None and temporal.second >= 60:
        return False
    if temporal.day:
        year, month, day = (*temporal.day, 1, 1)[:3]
        if year < MINYEAR or not 1 <= month <= 12 or not 1 <= day <= monthrange(year, month)[1]:
            return False
    return abs(temporal.offset or 0) <= EARLIEST_OFFSET


def from_datetime(moment: datetime) -> Temporal:
    """Return a moment that knows its offset as a DateTime, to the millisecond."""
    found = parse_temporal(moment.isoformat(timespec="milliseconds"), "DateTime")
    if found is None or found.offset is None:
        raise ValueError("a moment needs an offset of whole minutes")
    return found


def compare(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1 as `left` is before, at or after `right`; None if their precision does not tell.

    A Time can only be compared with a Time; the caller sees to that. If only one of the two has an offset,
    the other one may be of any clock on earth.
    """
    if (left.offset is None) != (right.offset is None):
        return _compare_ranges(_seconds_range(left), _seconds_range(right))
    first, second = in_utc(left).fields, in_utc(right).fields
    for one, other in zip(first, second, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(first) == len(second) else None


def _compare_ranges(left: tuple[Decimal, Decimal], right: tuple[Decimal, Decimal]) -> int | None:
    if left[1] < right[0]:
        return -1
    return 1 if left[0] > right[1] else None


def in_utc(temporal: Temporal) -> Temporal:
    """Return the same moment at offset 0, equally precise; without an offset it stays as it is."""
    if not temporal.offset:
        return temporal
    minutes = _minutes((*temporal.day, *temporal.clock, 0)[:5]) - temporal.offset
    ordinal, minute = divmod(minutes, _MINUTES_PER_DAY)
    clock = divmod(minute, 60)[: len(temporal.clock)]
    return Temporal(temporal.type, _day(ordinal), clock, temporal.second, 0)


def _minutes(fields: tuple[int, ...]) -> int:
    """Return the minutes from the beginning of time to a minute; `fields` are year to minute."""
    year, month, day, hour, minute = fields
    return (date(year, month, day).toordinal() * 24 + hour) * 60 + minute


def _day(ordinal: int) -> tuple[int, int, int]:
    if not 1 <= ordinal <= date.max.toordinal():  # a moment at either end of time, seen from elsewhere
        return (MINYEAR - 1, 12, 31) if ordinal < 1 else (MAXYEAR + 1, 1, 1)
    day = date.fromordinal(ordinal)
    return day.year, day.month, day.day


def _seconds_range(temporal: Temporal) -> tuple[Decimal, Decimal]:
    """Return the first and the last second, in UTC, that a Date or DateTime may mean."""
    earliest = EARLIEST_OFFSET if temporal.offset is None else temporal.offset
    latest = LATEST_OFFSET if temporal.offset is None else temporal.offset
    first_second = Decimal(0) if temporal.second is None else temporal.second
    last_second = Decimal(59) if temporal.second is None else temporal.second
    return (
        (_minutes(first_minute(temporal)) - earliest) * 60 + first_second,
        (_minutes(last_minute(temporal)) - latest) * 60 + last_second,
    )


def first_minute(temporal: Temporal) -> tuple[int, int, int, int, int]:
    """Return year, month, day, hour and minute at their earliest."""
    year, month, day = (*temporal.day, 1, 1)[:3]
    hour, minute = (*temporal.clock, 0, 0)[:2]
    return year, month, day, hour, minute


def last_minute(temporal: Temporal) -> tuple[int, int, int, int, int]:
    """Return year, month, day, hour and minute at their latest."""
    year, month = (*temporal.day, 12)[:2]
    day = temporal.day[2] if len(temporal.day) > 2 else monthrange(year, month)[1]
    hour, minute = temporal.clock[:2] if len(temporal.clock) > 1 else ((*temporal.clock, 23)[0], 59)
    return year, month, day, hour, minute
