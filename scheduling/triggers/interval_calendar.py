"""Steps of months and years: the same wall-clock time on the same day of later months."""

from __future__ import annotations

from datetime import date

from .cron_days import DAYS_IN_MONTH
from .zones import DAY

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
#: Of a mean month of the Gregorian calendar.
MONTH_SECONDS = 2_629_746
YEARS = range(1, 9_999)


class CalendarSteps:
    """The wall-clock seconds (seconds since 1970 as a wall clock counts them) of the steps: a WallClock's pattern.

    Step n is the anchor plus n times the months, and then n times the rest. Each is counted from the anchor, so
    nothing drifts: from 31 January on, a step of a month meets 28 February and then 31 March.
    """

    __slots__ = ("_day", "_month", "_rest", "_second", "_year", "months")

    def __init__(self, anchor: int, months: int, rest_seconds: int) -> None:
        day, self._second = divmod(anchor, DAY)
        start = date.fromordinal(day + EPOCH_ORDINAL)
        self._year, self._month, self._day = start.year, start.month, start.day
        self.months = months
        self._rest = rest_seconds

    def at_or_after(self, wall: int) -> int | None:
        number = self._estimate(wall)
        while (earlier := self._step(number)) is not None and earlier >= wall:
            number -= 1
        number += 1
        while (found := self._step(number)) is not None and found < wall:
            number += 1
        return found

    def at_or_before(self, wall: int) -> int | None:
        number = self._estimate(wall)
        while (later := self._step(number)) is not None and later <= wall:
            number += 1
        number -= 1
        while (found := self._step(number)) is not None and found > wall:
            number -= 1
        return found

    def _estimate(self, wall: int) -> int:
        """A step a few away from this time at most: a month is never more than three days off the mean one."""
        start = (date(self._year, self._month, 1).toordinal() - EPOCH_ORDINAL) * DAY
        return (wall - start) // (self.months * MONTH_SECONDS + self._rest)

    def _step(self, number: int) -> int | None:
        """The n-th step; None outside the years that a date can have."""
        year, month = divmod(self._year * 12 + self._month - 1 + number * self.months, 12)
        month += 1
        if year not in YEARS:
            return None
        length = DAYS_IN_MONTH[month]
        if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
            length = 29
        day = date(year, month, min(self._day, length)).toordinal() - EPOCH_ORDINAL
        return day * DAY + self._second + number * self._rest
