"""Calendars: days that are marked (holidays, weekends, own dates) and windows of time. Plain values, no rows.

What a mark means is the task's policy: leave those times out, run only then, or move to another day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import holidays

from .calendar_reading import Dates, Window, read

POLICIES = ("skip", "only", "shift_previous", "shift_next")


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """Which days and times are marked. Frozen, so that what is computed of it can be kept."""

    name: str = ""  # what a person calls it
    zone: str = ""  # a zone's name; empty: that of the task
    weekend: frozenset[int] = frozenset()  # marked weekdays, 1 (Monday) to 7
    country: str = ""  # a code of the holidays package; empty: none
    subdivision: str = ""
    dates: tuple[Dates, ...] = ()
    windows: tuple[Window, ...] = ()

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> CalendarRules:
        """The calendar that plain JSON values mean; raises InvalidCalendar that names all wrong fields at once.

        Keys: `name`, `time_zone`, `weekend`, `country`, `subdivision`, `dates`, `windows`.
        """
        return cls(**read(values))

    def marked_days(self, year: int, language: str = "") -> dict[date, str]:
        """The marked days of a year, each with what it is called.

        ``language``: one of the holidays package (zh_CN); English where the country's names are not in it.
        """
        return dict(_days(self, year, language)[0])

    def worked_days(self, year: int, language: str = "") -> dict[date, str]:
        """The days of a year that would be marked but are worked, each with why."""
        return dict(_days(self, year, language)[1])


@lru_cache(maxsize=1024)
def _days(calendar: CalendarRules, year: int, language: str = "") -> tuple[dict[date, str], dict[date, str]]:
    """The marked days of a year, and those that are worked all the same."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    marked: dict[date, str] = {}
    worked: dict[date, str] = {}
    if calendar.weekend:
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        marked = {day: "" for day in days if day.isoweekday() in calendar.weekend}
    if calendar.country:
        public = holidays.country_holidays(
            calendar.country,
            subdiv=calendar.subdivision or None,
            years=year,
            observed=True,
            language=language or None,
        )
        marked |= dict(public.items())
        for day in getattr(public, "weekend_workdays", ()):  # made up for: worked although at the weekend
            if day in marked:
                worked[day] = marked.pop(day)
    for dates in calendar.dates:
        for day in dates.days(year):
            if not dates.working:
                marked[day] = dates.name
                worked.pop(day, None)
            elif day in marked:
                del marked[day]
                worked[day] = dates.name
    return _of_year(marked, year), _of_year(worked, year)


def _of_year(days: dict[date, str], year: int) -> dict[date, str]:
    return {day: name for day, name in days.items() if day.year == year}


def window_bounds(window: Window, year: int) -> list[tuple[datetime, datetime]]:
    """A window's times that begin in a year or the last days before it, as moments: naive ones are in the zone."""
    if window.start is not None and window.end is not None:
        return [(window.start, window.end)]
    begin = date(year, 1, 1) - timedelta(days=1)
    found = []
    for number in range(367):
        day = begin + timedelta(days=number)
        if day.isoweekday() in window.weekdays:
            later = day + timedelta(days=1) if window.until <= window.since else day
            found.append((datetime.combine(day, window.since), datetime.combine(later, window.until)))
    return found
