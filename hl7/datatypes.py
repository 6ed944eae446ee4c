"""Times and numbers of HL7 v2: what they say, no more and no less precise.

A time zone comes from the value itself, else from MSH-7, else from the channel, and is never assumed. FHIR
has no hour without minutes: a DTM of that precision is given as its day.

Source: HL7 v2.5.1 §2.A.21 (DT), §2.A.22 (DTM), §2.A.47 (NM), §2.A.70 (SN), §2.A.75 (TM)
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from hl7.errors import DATA_TYPE, HL7Error, Location
from hl7.message import Repetition

_OFFSET = r"(?P<offset>[+-][0-9]{2}(?:[0-9]{2})?)?"
_CLOCK = (
    r"(?P<hour>[0-9]{2})(?:(?P<minute>[0-9]{2})(?:(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,4}))?)?)?"
)
_TIMESTAMP = re.compile(
    rf"(?P<year>[0-9]{{4}})(?:(?P<month>[0-9]{{2}})(?:(?P<day>[0-9]{{2}})(?:{_CLOCK})?)?)?{_OFFSET}"
)
_TIME = re.compile(_CLOCK + _OFFSET)
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?")
_COMPARATORS = frozenset({"", "=", "<", ">", "<=", ">=", "<>"})
_SEPARATORS = frozenset({"", "-", "+", "/", ".", ":"})
# HL7 v2.5.1 §2.A.22; what is further away from UTC is no offset.
_FURTHEST = timedelta(hours=14)


def _error(text: str, location: Location | None = None, severity: str = "E") -> HL7Error:
    return HL7Error(text, code=DATA_TYPE, location=location, severity=severity)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A DT, DTM or TS as precise as it was sent: what it does not say is None, or "" if it is `fraction`."""

    year: int
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    fraction: str = ""
    offset: timedelta | None = None

    @property
    def has_time(self) -> bool:
        """Whether it is as precise as a minute."""
        return self.minute is not None

    def fhir_date(self) -> str:
        """Return the FHIR `date`: year, month, or day."""
        parts = (f"{self.year:04}", self.month, self.day)
        return "-".join(part if isinstance(part, str) else f"{part:02}" for part in parts if part is not None)

    def fhir_date_time(
        self,
        default_zone: tzinfo | None,
        warnings: list[HL7Error] | None = None,
        location: Location | None = None,
    ) -> str:
        """Return the FHIR `dateTime`: a date if no minute is said, else a time with its offset.

        A local time that comes twice when clocks are set back is the first, and a warning is added. Raises
        `HL7Error` (102) if the clocks leave it out, or if there is no zone.
        """
        if not self.has_time:
            return self.fhir_date()
        local = self._local()
        offset = self._offset(local, default_zone, warnings, location)
        fraction = f".{self.fraction}" if self.fraction else ""
        return f"{local.isoformat(timespec='seconds')}{fraction}{_offset_text(offset)}"

    def earliest(self, default_zone: tzinfo) -> datetime:
        """Return the first moment that it may mean, to bring events into order."""
        local = self._local()
        zone = default_zone if self.offset is None else timezone(self.offset)
        return _in_utc(local.replace(tzinfo=zone))

    def _local(self) -> datetime:
        microsecond = int(self.fraction.ljust(6, "0")) if self.fraction else 0
        return datetime(
            self.year,
            self.month or 1,
            self.day or 1,
            self.hour or 0,
            self.minute or 0,
            self.second or 0,
            microsecond,
        )

    def _offset(
        self,
        local: datetime,
        zone: tzinfo | None,
        warnings: list[HL7Error] | None,
        location: Location | None,
    ) -> timedelta:
        if self.offset is not None:
            return self.offset
        if zone is None:
            raise _error("a time without a time zone, and neither MSH-7 nor the channel has one", location)
        first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        if first is None or second is None:
            raise _error("the time zone knows no offset", location)
        back = _in_utc(local.replace(tzinfo=zone)).astimezone(zone)
        if first != second and back.replace(tzinfo=None) != local:
            raise _error("a local time that the clocks leave out", location)
        if first != second and warnings is not None:
            warnings.append(_error("a local time that comes twice: the first was taken", location, "W"))
        return first


def _in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC, or the first or last one that there is."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=UTC)


def _offset_text(offset: timedelta) -> str:
    minutes = round(abs(offset) / timedelta(minutes=1))
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}"


def timestamp(text: str, location: Location | None = None) -> Timestamp:
    """Return what a DT, DTM or the first component of a TS says; raise `HL7Error` (102) if it is none."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise _error(
            "this is no date or time of the form YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]", location
        )
    year, month, day, hour, minute, second = (_number_or_none(match[name]) for name in _PARTS)
    offset = _offset(match["offset"], location)
    found = Timestamp(year or 0, month, day, hour, minute, second, match["fraction"] or "", offset)
    try:
        found._local()
        if 0 in (found.month, found.day):
            raise ValueError("month or day 0")
    except ValueError:
        raise _error("there is no such date or time", location) from None
    return found


def _number_or_none(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _offset(text: str | None, location: Location | None) -> timedelta | None:
    """Return an offset of the form +0100, or +01, which some send."""
    if not text:
        return None
    hours, minutes = int(text[1:3]), int(text[3:] or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset > _FURTHEST:
        raise _error("there is no such offset from UTC", location)
    return -offset if text[0] == "-" else offset


def zone_of_message(header_timestamp: str, channel_zone: tzinfo | None) -> tzinfo | None:
    """Return the zone of times that say none: that of MSH-7, else the channel's.

    Source: HL7 v2.5.1 §2.15.9.7: the zone of MSH-7 is the default of the message
    """
    try:
        offset = timestamp(header_timestamp).offset
    except HL7Error:
        offset = None
    return channel_zone if offset is None else timezone(offset)


def fhir_time(text: str, location: Location | None = None) -> str:
    """Return the FHIR `time` of a TM, without its offset; what FHIR wants and it leaves out is 0.

    Raises `HL7Error` (102) if it is none.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise _error("this is no time of the form HH[MM[SS[.S[S[S[S]]]]]][+/-ZZZZ]", location)
    hour, minute, second = match["hour"], match["minute"] or "00", match["second"] or "00"
    if hour > "23" or minute > "59" or second > "59":
        raise _error("there is no such time", location)
    _offset(match["offset"], location)
    return f"{hour}:{minute}:{second}" + (f".{match['fraction']}" if match["fraction"] else "")


def number(text: str, location: Location | None = None) -> str:
    """Return an NM as a decimal number in JSON's form, each digit that says something kept.

    Raises `HL7Error` (102) if it is none.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None or not any(character.isdigit() for character in text):
        raise _error("this is no number", location)
    sign, whole, fraction = match[1].replace("+", ""), match[2].lstrip("0") or "0", match[3]
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


@dataclass(frozen=True, slots=True)
class StructuredNumeric:
    """An SN: `>^100` is more than 100, `^1^-^5` a range, `^1^:^128` a ratio, `^2^+` twice positive.

    Numbers are as `number` gives them, and what is left out is "".
    """

    comparator: str
    number_1: str
    separator: str
    number_2: str


def structured_numeric(value: Repetition, location: Location | None = None) -> StructuredNumeric:
    """Return what an SN says; raise `HL7Error` (102) if it is none."""
    comparator, first, separator, second = (value[component].text.strip() for component in range(1, 5))
    if comparator not in _COMPARATORS or separator not in _SEPARATORS:
        raise _error("this is no comparison or separator of a structured number", location)
    if second and not separator:
        raise _error("a second number, and nothing between it and the first", location)
    numbers = [number(text, location) if text else "" for text in (first, second)]
    return StructuredNumeric(comparator, numbers[0], separator, numbers[1])
