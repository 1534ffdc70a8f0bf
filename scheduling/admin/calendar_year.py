"""The year of a calendar as a picture: twelve months, and what of them is marked."""

from __future__ import annotations

import calendar as months
from datetime import date
from typing import Any

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.formats import get_format
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from scheduling.exceptions import InvalidTrigger
from scheduling.models import Calendar, Task
from scheduling.services import calendars

KINDS = {"marked": _("marked"), "worked": _("worked all the same"), "window": _("a window lies in it")}
#: As narrow as the column of a day, from Monday.
NARROW = (
    pgettext_lazy("weekday in a month", "Mo"),
    pgettext_lazy("weekday in a month", "Tu"),
    pgettext_lazy("weekday in a month", "We"),
    pgettext_lazy("weekday in a month", "Th"),
    pgettext_lazy("weekday in a month", "Fr"),
    pgettext_lazy("weekday in a month", "Sa"),
    pgettext_lazy("weekday in a month", "Su"),
)
#: Tasks, and days with a name, that are listed.
MOST = 40


def section(calendar: Calendar, wanted: str, today: date) -> dict[str, Any]:
    """What the page of a calendar shows below its form. ``wanted``: the year that was asked for, if it is one."""
    year = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) == 4 else today.year
    year = min(max(year, calendars.YEARS[0]), calendars.YEARS[-1])
    try:
        days = calendars.year_of(calendar, year)
    except InvalidTrigger as error:
        return {"year": year, "year_fault": str(error)}
    tasks = Task.objects.present().filter(calendar=calendar).order_by("key")
    return {
        "year": year,
        "years": [each for each in (year - 1, year, year + 1) if each in calendars.YEARS],
        "months": _months({day.date: day for day in days}, year, today),
        "kinds": [(kind, words) for kind, words in KINDS.items() if any(day.kind == kind for day in days)],
        "marked": sum(day.kind == "marked" for day in days),
        "named": [day for day in days if day.name][:MOST],
        "users": list(tasks[: MOST + 1]),
        "most": MOST,
    }


def _months(days: dict[date, calendars.Day], year: int, today: date) -> list[dict[str, Any]]:
    first = (int(get_format("FIRST_DAY_OF_WEEK")) - 1) % 7  # Django counts from Sunday, Python from Monday
    weekdays = [(WEEKDAYS[number % 7], NARROW[number % 7]) for number in range(first, first + 7)]
    return [
        {
            "name": MONTHS[month],
            "weekdays": weekdays,
            "weeks": [
                [_cell(day, days.get(day), today) if day.month == month else None for day in week]
                for week in months.Calendar(first).monthdatescalendar(year, month)
            ],
        }
        for month in range(1, 13)
    ]


def _cell(day: date, found: calendars.Day | None, today: date) -> dict[str, Any]:
    words = [str(KINDS[found.kind]), *filter(None, [found.name]), *found.windows] if found else []
    if day == today:
        words.insert(0, gettext("today"))
    return {
        "day": day.day,
        "kind": found.kind if found else "",
        "is_today": day == today,
        "words": " · ".join(words),
    }
