"""The hours in which patients are left in peace."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


def end_of_quiet(now: datetime, hours: str | None, zone: ZoneInfo) -> datetime | None:
    """Return when the quiet `hours` (`21:00-07:30`) end that it is in now; None if it is in none."""
    if hours is None:
        return None
    begin, end = (time.fromisoformat(part) for part in hours.split("-"))
    here = now.astimezone(zone)
    clock = here.time().replace(tzinfo=None)
    is_quiet = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not is_quiet:
        return None
    day = here.date() if clock < end else here.date() + timedelta(days=1)
    return datetime.combine(day, end, zone).astimezone(now.tzinfo)
