"""Cron schedules in words. Works from what fields mean, so `*/5` and `0,5,10,…` read the same.

Sentences and clauses are whole message ids with named parts, so that a translation can order them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from .base import ClockEffect
from .clock_effects import effect_of, time_of_day
from .cron_days import (
    DAYS_IN_MONTH,
    SATURDAY,
    SHAPES,
    SUNDAY,
    DayBeforeLast,
    DayRule,
    LastDay,
    LastWeekday,
    LastWorkday,
    MonthDays,
    NearestWorkday,
    NearestWorkdayBeforeLast,
    NthWeekday,
    Weekdays,
)
from .cron_expression import CronExpression, Ladder
from .lists import listed
from .rhythms import every
from .wallclock import WallClock
from .zones import ClockShift

#: Up to this many times of day are listed one by one.
LISTED_TIMES = 6
#: A step is called one when it is taken at least this often; `0,30` is a list.
STEP_MEMBERS = 3
LOW_DAY = 28  # every month has the days up to this one


def sentence(expression: CronExpression) -> str:
    """The schedule as a person would say it, without its zone."""
    times, dates = _times_of_day(expression), _dates(expression)
    if times and not dates:
        return _("Every day at %(times)s") % {"times": times}
    if times:
        return _("At %(times)s, %(dates)s") % {"times": times, "dates": dates}
    time = _rhythm(expression)
    return _("%(time)s, %(dates)s") % {"time": time, "dates": dates} if dates else time


def warnings(expression: CronExpression) -> list[str]:
    """What a person might not have meant."""
    found = []
    if _only_leap_days(expression):
        found.append(_("Runs on 29 February only: once in four years."))
    elif first := _first_day_some_months_lack(expression):
        found.append(_("Months without a day %(day)d are left out; L means the last day.") % {"day": first})
    if not expression.both_days and not (expression.any_month_day or expression.any_weekday):
        found.append(_("Day of month and day of week are both given: a day that matches one is enough."))
    if not expression.any_weekday and not _meets_weekends(expression):
        found.append(_("Never runs on a Saturday or Sunday."))
    if len(expression.minutes.values) == 60 and len(expression.hours.values) < 24:
        found.append(_("Runs every minute of the hours given; for one run an hour, give a minute."))
    for name, ladder, size in _clock_fields(expression):
        step = _step(ladder.values)
        if step > 1 and len(ladder.values) >= STEP_MEMBERS and ladder.last + step >= size and size % step:
            found.append(
                _("%(field)s: %(size)d is no multiple of %(step)d; the step from %(last)d to 0 is shorter.")
                % {"field": name, "step": step, "size": size, "last": ladder.last}
            )
    return found


def clock_effect(clock: WallClock, expression: CronExpression, shift: ClockShift) -> ClockEffect:
    """What the schedule does where the clock is put forward or back."""
    every_hour = expression.real_time and len(expression.hours.values) == 24
    if every_hour and clock.effect(shift)[1] is not None:
        return ClockEffect("unaffected", _("Goes on in real time, without a break or a repetition."))
    return effect_of(clock, shift)


# Times of day


def _times_of_day(expression: CronExpression) -> str:
    """A few single times, listed; '' when there are more."""
    hours, minutes, seconds = (
        expression.hours.values,
        expression.minutes.values,
        expression.seconds.values,
    )
    if len(hours) * len(minutes) * len(seconds) > LISTED_TIMES:
        return ""
    return listed([time_of_day(h * 3600 + m * 60 + s) for h in hours for m in minutes for s in seconds])


def _rhythm(expression: CronExpression) -> str:
    """Times too many to list: the rhythm within an hour, and the hours."""
    hours = expression.hours.values
    if len(hours) == 24:
        return _hourly_rhythm(expression)
    step = _step(hours)
    if _regular(expression.minutes.values, 60) or _regular(expression.seconds.values, 60):
        step = 1  # “every 5 minutes, every 2 hours” is no sentence
    if hours[-1] - hours[0] == len(hours) - 1:
        clause = _("from %(first)s to %(last)s") % {
            "first": f"{hours[0]:02}:00",
            "last": f"{hours[-1]:02}:59",
        }
    elif step > 1 and _regular(hours, 24):
        clause = ngettext("every hour", "every %(count)d hours", step) % {"count": step}
    else:
        clause = _("in the hours %(hours)s") % {"hours": _numbers(hours)}
    return _("%(rhythm)s, %(hours)s") % {"rhythm": _rhythm_within(expression), "hours": clause}


def _hourly_rhythm(expression: CronExpression) -> str:
    """The rhythm of a schedule that runs in all hours."""
    even = _even_rhythm(expression)
    if even:
        return even
    words = {
        "seconds": _numbers(expression.seconds.values),
        "minutes": _numbers(expression.minutes.values),
    }
    if expression.seconds.values == (0,):
        return _("At minute %(minutes)s of every hour") % words
    return _("At second %(seconds)s of minute %(minutes)s of every hour") % words


def _rhythm_within(expression: CronExpression) -> str:
    """The rhythm within the hours that another clause names."""
    even = _even_rhythm(expression)
    if even:
        return even
    words = {
        "seconds": _numbers(expression.seconds.values),
        "minutes": _numbers(expression.minutes.values),
    }
    if expression.seconds.values == (0,):
        return _("At minute %(minutes)s") % words
    return _("At second %(seconds)s of minute %(minutes)s") % words


def _even_rhythm(expression: CronExpression) -> str:
    """“Every 5 minutes” and the like, or ''."""
    seconds, minutes = expression.seconds.values, expression.minutes.values
    if seconds == (0,) and _regular(minutes, 60):
        return every("minutes", _step(minutes))
    if len(minutes) < 60:
        return ""
    if _regular(seconds, 60):
        return every("seconds", _step(seconds))
    return _("At second %(seconds)s of every minute") % {"seconds": _numbers(seconds)}


# Dates


def _dates(expression: CronExpression) -> str:
    """The days, months and years as one clause; '' for every day."""
    days, months, years = _days(expression), _months(expression), _years(expression)
    if days and months:
        dates = _("%(days)s, %(months)s") % {"days": days, "months": months}
    elif days:
        dates = _in_every_month(expression, days)
    elif months:
        dates = pgettext("every day of them", "%(months)s") % {"months": months}
    else:
        return pgettext("every day of them", "%(years)s") % {"years": years} if years else ""
    return _("%(dates)s, %(years)s") % {"dates": dates, "years": years} if years else dates


def _in_every_month(expression: CronExpression, days: str) -> str:
    """The days where no month is named: some languages say “every month” then."""
    weekdays_only = all(isinstance(rule, Weekdays) for rule in expression.weekday_rules)
    if expression.any_month_day and weekdays_only:
        return days
    return pgettext("of every month", "%(days)s") % {"days": days}


def _days(expression: CronExpression) -> str:
    by_number = "" if expression.any_month_day else _rules(expression.month_day_rules, _month_day_clause)
    by_weekday = "" if expression.any_weekday else _rules(expression.weekday_rules, _weekday_clause)
    if by_number and by_weekday:
        words = {"days": by_number, "weekdays": by_weekday}
        if expression.both_days:
            return _("%(days)s if that is also %(weekdays)s") % words
        return _("%(days)s, or %(weekdays)s") % words
    # With either-or, a field that leaves no day out makes the other one void.
    return (by_number or by_weekday) if expression.both_days else ""


def _rules(rules: Sequence[DayRule], clause: Callable[[DayRule], str]) -> str:
    return listed([clause(rule) for rule in rules])


def _month_day_clause(rule: DayRule) -> str:
    match rule:
        case MonthDays(days):
            return _("on day %(days)s of the month") % {"days": _numbers(tuple(sorted(days)))}
        case LastDay():
            return _("on the last day of the month")
        case LastWorkday():
            return _("on the last Monday-to-Friday day of the month")
        case DayBeforeLast(days):
            return ngettext(
                "on the day before the last day of the month",
                "%(count)d days before the last day of the month",
                days,
            ) % {"count": days}
        case NearestWorkday(day):
            return _("on the Monday-to-Friday day nearest to day %(day)d of the month") % {"day": day}
        case NearestWorkdayBeforeLast(days):
            return ngettext(
                "on the Monday-to-Friday day nearest to the day before the last day of the month",
                "on the Monday-to-Friday day nearest to %(count)d days before the last day of the month",
                days,
            ) % {"count": days}
    raise AssertionError(rule)


def _weekday_clause(rule: DayRule) -> str:
    match rule:
        case Weekdays(weekdays):
            # A person's week begins on Monday.
            runs = list(_runs(sorted((number - 1) % 7 for number in weekdays)))
            names = [_weekday_run(first, last) for first, last in runs]
            if len(runs) == 1 and runs[0][0] != runs[0][1]:
                return names[0]
            return _("on %(weekdays)s") % {"weekdays": listed(names)}
        case NthWeekday(weekday, nth):
            words = {"nth": _ordinal(nth), "weekday": WEEKDAYS[(weekday - 1) % 7]}
            return _("on the %(nth)s %(weekday)s of the month") % words
        case LastWeekday(weekday):
            return _("on the last %(weekday)s of the month") % {"weekday": WEEKDAYS[(weekday - 1) % 7]}
    raise AssertionError(rule)


def _weekday_run(first: int, last: int) -> str:
    if first == last:
        return str(WEEKDAYS[first])
    return _("%(first)s to %(last)s") % {"first": WEEKDAYS[first], "last": WEEKDAYS[last]}


def _ordinal(nth: int) -> str:
    return (
        pgettext("n-th weekday of a month", "first"),
        pgettext("n-th weekday of a month", "second"),
        pgettext("n-th weekday of a month", "third"),
        pgettext("n-th weekday of a month", "fourth"),
        pgettext("n-th weekday of a month", "fifth"),
    )[nth - 1]


def _months(expression: CronExpression) -> str:
    months = expression.months.values
    if len(months) == 12:
        return ""
    names = [
        str(MONTHS[first])
        if first == last
        else _("%(first)s to %(last)s") % {"first": MONTHS[first], "last": MONTHS[last]}
        for first, last in _runs(months)
    ]
    return _("in %(months)s") % {"months": listed(names)}


def _years(expression: CronExpression) -> str:
    if expression.years is None:
        return ""
    return _("in the years %(years)s") % {"years": _numbers(expression.years.values)}


def _meets_weekends(expression: CronExpression) -> bool:
    """Whether a month of any shape has a matching day on a weekend."""
    return any(
        days >> day & 1
        for shape, days in zip(SHAPES, expression.days, strict=True)
        for day in range(1, shape.length + 1)
        if shape.weekday(day) in (SATURDAY, SUNDAY)
    )


def _only_leap_days(expression: CronExpression) -> bool:
    # Every fourth day mask is that of a month of 28 days, see cron_days.SHAPES.
    return expression.months.values == (2,) and not any(expression.days[::4])


def _first_day_some_months_lack(expression: CronExpression) -> int | None:
    """The lowest day asked for when all of them are beyond the 28th and nothing but numbers counts."""
    rules = expression.month_day_rules
    if not (expression.any_weekday and expression.both_days and len(rules) == 1):
        return None
    rule = rules[0]
    if not isinstance(rule, MonthDays) or min(rule.days) <= LOW_DAY:
        return None
    lowest = min(rule.days)
    shortest = min(DAYS_IN_MONTH[month] for month in expression.months.values)
    return lowest if lowest > shortest else None


# Numbers and lists


def _clock_fields(expression: CronExpression) -> tuple[tuple[str, Ladder, int], ...]:
    """Second, minute and hour: name, values, and how many there are of it."""
    return (
        ("second", expression.seconds, 60),
        ("minute", expression.minutes, 60),
        ("hour", expression.hours, 24),
    )


def _step(values: Sequence[int]) -> int:
    """The even distance of values that begin at 0, or 0."""
    if len(values) < 2 or values[0] != 0:
        return 0
    step = values[1]
    return step if all(value == step * index for index, value in enumerate(values)) else 0


def _regular(values: Sequence[int], size: int) -> bool:
    """Whether the values go round evenly, often enough to be called a rhythm."""
    step = _step(values)
    return len(values) >= STEP_MEMBERS and step > 0 and step * len(values) == size


def _runs(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbours as (first, last); two neighbours stay two single values."""
    start = 0
    for index in range(1, len(values) + 1):
        if index < len(values) and values[index] == values[index - 1] + 1:
            continue
        run = values[start:index]
        if len(run) > 2:
            yield run[0], run[-1]
        else:
            yield from ((value, value) for value in run)
        start = index


def _numbers(values: tuple[int, ...]) -> str:
    step = values[1] - values[0] if len(values) > LISTED_TIMES else 0
    if step > 1 and values == tuple(range(values[0], values[-1] + 1, step)):
        words = {"first": values[0], "second": values[1], "third": values[2], "last": values[-1]}
        return _("%(first)s, %(second)s, %(third)s … %(last)s") % words
    return listed(
        [
            str(first)
            if first == last
            else pgettext("numbers", "%(first)s to %(last)s") % {"first": first, "last": last}
            for first, last in _runs(values)
        ]
    )
