"""A calendar on a zone's time line: when a marked stretch begins and ends."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from . import moments
from .calendars import CalendarRules, window_bounds
from .zones import Timeline

DAY = timedelta(days=1)
#: Years beyond these have no marks.
YEARS = range(1000, 9000)
#: A run of marked days that is longer has no end.
LONGEST_RUN = 366


class Stretches:
    """The marked times of a calendar in a zone, as half-open stretches of instants, year by year."""

    def __init__(self, calendar: CalendarRules, line: Timeline, *, days: bool = True) -> None:
        self.calendar = calendar
        self.line = line
        self.has_days = days  # else the windows alone
        self._years: dict[int, tuple[list[datetime], list[datetime]]] = {}

    def around(self, instant: datetime) -> tuple[bool, datetime, datetime]:
        """Whether an instant is marked, and a stretch [start, end) around it in which that does not change.

        A stretch is cut where a year of the zone ends: the next one may go on alike.
        """
        year = min(max(instant.astimezone(self.line.tz).year, YEARS[0]), YEARS[-1])
        if year not in self._years:
            self._years[year] = self._marked(year)  # two threads may do this at once: both find the same
        starts, ends = self._years[year]
        index = bisect_right(starts, instant) - 1
        if index >= 0 and instant < ends[index]:
            return True, starts[index], ends[index]
        start = ends[index] if index >= 0 else self.midnight(date(year, 1, 1))
        end = starts[index + 1] if index + 1 < len(starts) else self.midnight(date(year + 1, 1, 1))
        return False, start, end

    def is_marked_day(self, day: date) -> bool:
        return day.year in YEARS and day in _days(self.calendar, day.year)

    def unmarked_day(self, day: date, step: int) -> date | None:
        """The first day from this one on, or back (-1), that is not marked; None when there is none in a year."""
        for _number in range(LONGEST_RUN):
            if not self.is_marked_day(day):
                return day
            day += step * DAY
        return None

    def midnight(self, day: date) -> datetime:
        """The first instant of a day."""
        found = moments.instant(datetime.combine(day, time()), self.line, "run_after", "first")
        assert found is not None  # noqa: S101  (after a gap there is always an instant)
        return found

    def day(self, instant: datetime) -> date:
        return instant.astimezone(self.line.tz).date()

    def _marked(self, year: int) -> tuple[list[datetime], list[datetime]]:
        """The starts and ends of the year's marked stretches, merged and cut at the year's ends."""
        low, high = self.midnight(date(year, 1, 1)), self.midnight(date(year + 1, 1, 1))
        found: list[tuple[datetime, datetime]] = []
        if self.has_days:
            found += [(self.midnight(day), self.midnight(day + DAY)) for day in _days(self.calendar, year)]
        for window in self.calendar.windows:
            for start, end in window_bounds(window, year):
                first, last = self._instant(start), self._instant(end)
                if last > low and first < high:
                    found.append((first, last))
        merged: list[tuple[datetime, datetime]] = []
        for start, end in sorted((max(start, low), min(end, high)) for start, end in found):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            elif start < end:
                merged.append((start, end))
        return [start for start, _end in merged], [end for _start, end in merged]

    def _instant(self, moment: datetime) -> datetime:
        found = moments.instant(moment, self.line, "run_after", "first")
        return moment.replace(tzinfo=UTC) if found is None else found


@lru_cache(maxsize=1024)
def _days(calendar: CalendarRules, year: int) -> frozenset[date]:
    return frozenset(calendar.marked_days(year))
