"""The wall-clock times of a calendar rule, found by dateutil in windows that begin near the time asked for.

dateutil walks from the rule's first day on. A rule that began years ago is therefore begun anew, a whole number
of its intervals later: what a step costs does not grow with the rule's age.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from dateutil import rrule as dateutil

from .rrule_text import FREQUENCIES, Rule
from .wallclock import HORIZON_YEARS

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (wall-clock time)
SECOND = timedelta(seconds=1)
UNITS = {
    "WEEKLY": timedelta(weeks=1),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
    "SECONDLY": timedelta(seconds=1),
}
DAY_PARTS = ("BYWEEKNO", "BYYEARDAY", "BYMONTHDAY")
#: Times found in one go and kept for the next question.
CHUNK = 64
CHUNK_SECONDS = 4 * 366 * 86_400
#: Every combination of weekday, month, length and week number comes within these years.
ALL_DAYS = (date(2000, 1, 1), date(2028, 1, 1))


class RulePattern:
    """A WallClock's pattern: the times of a rule from ``start`` on."""

    def __init__(self, rule: Rule, start: datetime) -> None:
        self.rule = rule
        self.start = start
        self._arguments = _arguments(rule, start)
        self._first = seconds(start)
        self._until = None if rule.until is None else seconds(rule.until)
        #: Consecutive times, and from where on they are known; all of them when the rule counts.
        self._known: tuple[int, list[int]] = (0, [])
        if rule.count is not None:
            self._known = (self._first, [seconds(at) for at in islice(self._begun(start), rule.count)])

    def at_or_after(self, wall: int) -> int | None:
        wall = max(wall, self._first)
        if self._until is not None and wall > self._until:
            return None
        low, times = self._known
        if self.rule.count is None and not (low <= wall and times and wall <= times[-1]):
            self._known = wall, self._some(wall)
            times = self._known[1]
        index = bisect_left(times, wall)
        if index == len(times) or (self._until is not None and times[index] > self._until):
            return None
        return times[index]

    def _some(self, wall: int) -> list[int]:
        """The next times, a few of them, but none long after the first."""
        found: list[int] = []
        for each in self._begun(self._begin(wall)):
            at = seconds(each)
            if at >= wall:
                found.append(at)
            if found and (len(found) == CHUNK or at > wall + CHUNK_SECONDS):
                break
        return found

    def at_or_before(self, wall: int) -> int | None:
        if self._until is not None:
            wall = min(wall, self._until)
        if self.rule.count is not None:
            times = self._known[1]
            index = bisect_right(times, wall)
            return times[index - 1] if index else None
        span = self._period() * 2
        furthest = max(self._first, wall - HORIZON_YEARS * 366 * 86_400)
        low = wall
        while low > furthest:
            low = max(furthest, wall - span)
            begun = (seconds(at) for at in self._begun(self._begin(low)))
            found = [at for at in takewhile(lambda at: at <= wall, begun) if at >= self._first]
            if found:
                return found[-1]
            span *= 8
        return wall if wall == self._first and self.at_or_after(wall) == wall else None

    def _period(self) -> int:
        """About how long one interval is, in seconds."""
        unit = UNITS.get(self.rule.frequency)
        days = {"YEARLY": 366, "MONTHLY": 31}.get(self.rule.frequency, 0)
        length = timedelta(days=days) if unit is None else unit
        return int((length * self.rule.interval).total_seconds())

    def _begun(self, start: datetime) -> Any:
        return iter(dateutil.rrule(getattr(dateutil, self.rule.frequency), dtstart=start, **self._arguments))

    def _begin(self, wall: int) -> datetime:
        """A start a whole number of intervals after the rule's own, one interval or more before ``wall``."""
        at, start, interval = EPOCH + wall * SECOND, self.start, self.rule.interval
        if self.rule.frequency == "YEARLY":
            years = (at.year - start.year) // interval * interval - interval
            return start if years <= 0 else datetime(start.year + years, 1, 1)  # noqa: DTZ001
        if self.rule.frequency == "MONTHLY":
            months = (at.year - start.year) * 12 + at.month - start.month
            months = months // interval * interval - interval
            year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
            return start if months <= 0 else datetime(year, month + 1, 1)  # noqa: DTZ001
        step = UNITS[self.rule.frequency] * interval
        steps = (at - start) // step - 1
        if steps <= 0:
            return start
        later = start + steps * step
        has_times = self.rule.frequency in ("WEEKLY", "DAILY")
        return later.replace(hour=0, minute=0, second=0) if has_times else later


def seconds(moment: datetime) -> int:
    """Seconds since 1970 as a wall clock counts them."""
    since = moment - EPOCH
    return since.days * 86_400 + since.seconds


def is_possible(rule: Rule) -> bool:
    """Whether any day has what the rule asks of a day. (What an interval skips besides is not looked at.)"""
    if rule.get("BYWEEKNO"):
        return True
    day, last = ALL_DAYS
    while day < last:
        if _matches(rule, day):
            return True
        day += timedelta(days=1)
    return False


def _matches(rule: Rule, day: date) -> bool:
    months = rule.get("BYMONTH")
    if months and day.month not in months:
        return False
    length = monthrange(day.year, day.month)[1]
    month_days = rule.get("BYMONTHDAY")
    if month_days and day.day not in month_days and day.day - length - 1 not in month_days:
        return False
    place, year_length = day.timetuple().tm_yday, 366 if monthrange(day.year, 2)[1] == 29 else 365
    year_days = rule.get("BYYEARDAY")
    if year_days and place not in year_days and place - year_length - 1 not in year_days:
        return False
    if not rule.weekdays:
        return True
    in_month = rule.frequency == "MONTHLY" or bool(months)
    position, size = (day.day, length) if in_month else (place, year_length)
    numbers = (0, (position - 1) // 7 + 1, -((size - position) // 7) - 1)
    return any(day.weekday() == weekday and nth in numbers for weekday, nth in rule.weekdays)


def most_positions(rule: Rule) -> int:
    """How many times one interval of the rule can have, at the most: what BYSETPOS can choose from."""
    place = FREQUENCIES.index(rule.frequency)
    times = 1
    for part, fixed_by in (("BYHOUR", "HOURLY"), ("BYMINUTE", "MINUTELY"), ("BYSECOND", "SECONDLY")):
        if place < FREQUENCIES.index(fixed_by):
            times *= len(rule.get(part)) or 1
    days = {"YEARLY": 366, "MONTHLY": 31, "WEEKLY": len(rule.weekdays) or 1}.get(rule.frequency, 1)
    return days * times


def _arguments(rule: Rule, start: datetime) -> dict[str, Any]:
    """What dateutil is told: all that it would else take from the start, which moves, is said."""
    given = {name.lower(): rule.get(name) for name in rule.numbers}
    if rule.weekdays:
        given["byweekday"] = tuple(
            dateutil.weekdays[day](nth) if nth else dateutil.weekdays[day] for day, nth in rule.weekdays
        )
    if not (rule.weekdays or any(rule.get(part) for part in DAY_PARTS)):
        if rule.frequency == "YEARLY":
            given.setdefault("bymonth", (start.month,))
        if rule.frequency in ("YEARLY", "MONTHLY"):
            given["bymonthday"] = (start.day,)
        elif rule.frequency == "WEEKLY":
            given["byweekday"] = (start.weekday(),)
    if rule.frequency in ("YEARLY", "MONTHLY", "WEEKLY", "DAILY"):
        given.setdefault("byhour", (start.hour,))
    if rule.frequency not in ("MINUTELY", "SECONDLY"):
        given.setdefault("byminute", (start.minute,))
    if rule.frequency != "SECONDLY":
        given.setdefault("bysecond", (start.second,))
    return {**given, "interval": rule.interval, "wkst": rule.week_start}
