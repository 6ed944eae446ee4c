"""The demo's calendar: everything lies so many days before or after one given day.

Times are those of a place that has no summer time, so that the same number of days is always the same time.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

# Mountain Standard Time, all year: the hospital stands in Arizona.
ZONE = timezone(timedelta(hours=-7))
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Timeline:
    """What has happened lies before the first minute of `today`, what is planned after its last."""

    today: date

    @property
    def now(self) -> datetime:
        """The moment at which the demo stands still: the first of today."""
        return self.at(0)

    def at(self, days: int, hour: int = 0, minute: int = 0) -> datetime:
        """Return the time `days` after today (before, if negative)."""
        return datetime.combine(self.day(days), time(hour, minute), ZONE)

    def day(self, days: int) -> date:
        """Return the date `days` after today."""
        return self.today + timedelta(days=days)

    def working_day_before(self, days: int) -> int:
        """Return how many days to go back, at least `days`, to come to a working day; at most two more."""
        return next(back for back in range(days, days + 3) if self.day(-back).weekday() < _SATURDAY)

    def working_days_ahead(self, days: int) -> list[date]:
        """Return the working days among the next `days` days, tomorrow first; ten in any fortnight."""
        ahead = [self.day(number) for number in range(1, days + 1)]
        return [day for day in ahead if day.weekday() < _SATURDAY]

    def last_october(self, years_before: int) -> datetime:
        """Return a morning in October, the last one that is over or an earlier one."""
        year = self.today.year - years_before - (1 if self.today < date(self.today.year, 11, 1) else 0)
        return datetime(year, 10, 14, 10, 20, tzinfo=ZONE)
