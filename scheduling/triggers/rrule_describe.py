"""Calendar rules in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import reduce

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from .lists import listed
from .rhythms import every
from .rrule_text import Rule

LISTED_TIMES = 6
UNITS = {
    "YEARLY": "years",
    "MONTHLY": "months",
    "WEEKLY": "weeks",
    "DAILY": "days",
    "HOURLY": "hours",
    "MINUTELY": "minutes",
    "SECONDLY": "seconds",
}


def sentence(rule: Rule, start: datetime) -> str:
    """The rule as a person would say it; `start` fills in what the rule leaves out."""
    clauses = [_dated_rhythm(rule, start), _times(rule, start), *_choice(rule), *_end(rule)]
    return pgettext("between clauses", ", ").join(clause for clause in clauses if clause)


def _dated_rhythm(rule: Rule, start: datetime) -> str:
    """How often, and on which of the days."""
    rhythm = every(UNITS[rule.frequency], rule.interval)
    parts = _dates(rule, start)
    if not parts:
        return rhythm
    together = pgettext("parts of a date", "%(first)s, %(second)s")
    dates = reduce(lambda first, second: together % {"first": first, "second": second}, parts)
    words = {"rhythm": rhythm, "dates": dates}
    if rule.frequency in ("YEARLY", "MONTHLY", "WEEKLY"):
        return pgettext("dates within the rhythm", "%(rhythm)s, %(dates)s") % words
    return pgettext("the rhythm within dates", "%(rhythm)s, %(dates)s") % words


def _dates(rule: Rule, start: datetime) -> list[str]:
    clauses = []
    months, month_days, week_days = rule.get("BYMONTH"), rule.get("BYMONTHDAY"), rule.weekdays
    if not (month_days or week_days or rule.get("BYYEARDAY") or rule.get("BYWEEKNO")):
        if rule.frequency == "YEARLY":
            months = months or (start.month,)
        if rule.frequency in ("YEARLY", "MONTHLY"):
            month_days = (start.day,)
        elif rule.frequency == "WEEKLY":
            week_days = ((start.weekday(), 0),)
    if months:
        clauses.append(_("in %(months)s") % {"months": listed([str(MONTHS[n]) for n in months])})
    if rule.get("BYWEEKNO"):
        clauses.append(_("in week %(weeks)s of the year") % {"weeks": _ranked(rule.get("BYWEEKNO"))})
    if rule.get("BYYEARDAY"):
        clauses.append(_("on day %(days)s of the year") % {"days": _ranked(rule.get("BYYEARDAY"))})
    if month_days:
        clauses.append(_("on day %(days)s of the month") % {"days": _counted(month_days)})
    if week_days:
        in_year = rule.frequency == "YEARLY" and not months
        names = listed([_weekday(day, nth) for day, nth in week_days])
        if in_year and any(nth for _day, nth in week_days):
            clauses.append(_("on %(weekdays)s of the year") % {"weekdays": names})
        elif any(nth for _day, nth in week_days):
            clauses.append(_("on %(weekdays)s of the month") % {"weekdays": names})
        else:
            clauses.append(_("on %(weekdays)s") % {"weekdays": names})
    return clauses


def _weekday(day: int, nth: int) -> str:
    if not nth:
        return str(WEEKDAYS[day])
    if nth == -1:
        return _("the last %(weekday)s") % {"weekday": WEEKDAYS[day]}
    if nth < 0:
        return _("the %(weekday)s number %(nth)d from the end") % {"weekday": WEEKDAYS[day], "nth": -nth}
    return _("the %(weekday)s number %(nth)d") % {"weekday": WEEKDAYS[day], "nth": nth}


def _counted(numbers: tuple[int, ...]) -> str:
    return listed([str(number) if number > 0 else _from_the_end(-number) for number in numbers])


def _ranked(numbers: tuple[int, ...]) -> str:
    """As _counted, where some languages say “the first” and not “one”."""
    return listed(
        [
            pgettext("rank", "%(number)d") % {"number": number} if number > 0 else _from_the_end(-number)
            for number in numbers
        ]
    )


def _from_the_end(count: int) -> str:
    return ngettext("the last one", "number %(count)d from the end", count) % {"count": count}


def _times(rule: Rule, start: datetime) -> str:
    if rule.frequency in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY"):
        hours = rule.get("BYHOUR") or (start.hour,)
        minutes = rule.get("BYMINUTE") or (start.minute,)
        seconds = rule.get("BYSECOND") or (start.second,)
        if len(hours) * len(minutes) * len(seconds) <= LISTED_TIMES:
            times = sorted((h, m, s) for h in hours for m in minutes for s in seconds)
            return _("at %(times)s") % {"times": listed([f"{h:02}:{m:02}:{s:02}" for h, m, s in times])}
        return _clock_fields(hours, minutes, seconds)
    return _clock_fields(rule.get("BYHOUR"), rule.get("BYMINUTE"), rule.get("BYSECOND"))


def _clock_fields(hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]) -> str:
    clauses: list[tuple[tuple[int, ...], Callable[[str], str]]] = [
        (hours, lambda text: _("in the hours %(hours)s") % {"hours": text}),
        (minutes, lambda text: _("at minute %(minutes)s") % {"minutes": text}),
        (seconds, lambda text: _("at second %(seconds)s") % {"seconds": text}),
    ]
    return pgettext("between clauses", ", ").join(
        say(listed([str(number) for number in sorted(numbers)])) for numbers, say in clauses if numbers
    )


def _choice(rule: Rule) -> list[str]:
    positions = rule.get("BYSETPOS")
    return [_("of these only %(positions)s") % {"positions": _ranked(positions)}] if positions else []


def _end(rule: Rule) -> list[str]:
    if rule.count is not None:
        return [ngettext("once in all", "%(count)d times in all", rule.count) % {"count": rule.count}]
    if rule.until is not None:
        return [_("until %(moment)s") % {"moment": rule.until.isoformat(sep=" ")}]
    return []
