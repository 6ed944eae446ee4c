"""Times of FHIR as HL7 v2 has them: the same precision, the same offset, nothing made up.

https://hl7.org/fhir/R4/datatypes.html#dateTime, HL7 v2.5.1 §2.A.22 (DTM)
"""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

_DATE_TIME = re.compile(
    r"(?P<date>\d{4}(?:-\d{2}(?:-\d{2})?)?)"
    r"(?:T(?P<time>\d{2}:\d{2}(?::\d{2})?)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d{2}:\d{2})?)?"
)
_FRACTION_DIGITS = 4  # §2.A.22: "[.S[S[S[S]]]]"


def timestamp(text: str | None) -> str:
    """Return a date, dateTime or instant as DTM: `2024-03-01T10:15:00+01:00` is `20240301101500+0100`.

    Returns "" for None, and for what is no such thing.
    """
    match = _DATE_TIME.fullmatch(text or "")
    if match is None:
        return ""
    digits = match["date"].replace("-", "") + (match["time"] or "").replace(":", "")
    fraction = (match["fraction"] or "")[: _FRACTION_DIGITS + 1]
    zone = "+0000" if match["zone"] == "Z" else (match["zone"] or "").replace(":", "")
    return digits + fraction + zone


def date(text: str | None) -> str:
    """Return the day, month or year of a date or dateTime as DT: `2024-03` is `202403`."""
    match = _DATE_TIME.fullmatch(text or "")
    return "" if match is None else match["date"].replace("-", "")


def time(text: str | None) -> str:
    """Return a time as TM: `12:30:00` is `123000`."""
    return (text or "").replace(":", "")


def moment(now: datetime, zone: ZoneInfo) -> str:
    """Return a moment (aware) to the second, in a time zone, with its offset."""
    return f"{now.astimezone(zone):%Y%m%d%H%M%S%z}"
