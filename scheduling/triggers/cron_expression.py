"""A parsed cron schedule: frozen, shared by all tasks that use it, and able to step both ways.

It knows nothing of zones: it speaks of wall-clock seconds (seconds since 1970 as a wall clock counts
them). A step is a handful of table look-ups within a day, one per month when it looks for a day, and
never more than `HORIZON_YEARS` of months.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from . import cron_fields as fields
from .cron_days import DAYS_IN_MONTH, SHAPES, DayRule, day_table
from .cron_dialects import DIALECTS
from .cron_spread import settle
from .wallclock import HORIZON_YEARS
from .zones import DAY

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
THURSDAY = 4  # 1970-01-01
YEAR_PLACE = 6  # among the seven fields


class Ladder:
    """The values of one field, with the next one up and down from any number.

    `up[n]` is the lowest value >= n and `down[n]` the highest <= n, -1 where there is none; both accept
    one step beyond the field's range (`up[high + 1]` and `down[-1]` are -1).
    """

    __slots__ = ("down", "first", "last", "up", "values")

    def __init__(self, members: Iterable[int], high: int) -> None:
        known = frozenset(members)
        self.values = tuple(sorted(known))
        self.first, self.last = self.values[0], self.values[-1]
        up, down = [-1] * (high + 2), [-1] * (high + 2)
        for number in range(high, -1, -1):
            up[number] = number if number in known else up[number + 1]
        for number in range(high + 1):
            down[number] = number if number in known else down[number - 1]
        self.up, self.down = tuple(up), tuple(down)


@dataclass(frozen=True, slots=True, eq=False)
class CronExpression:
    """Which wall-clock seconds match. Made by `parse`."""

    seconds: Ladder
    minutes: Ladder
    hours: Ladder
    months: Ladder
    years: Ladder | None  # None: every year
    month_day_rules: tuple[DayRule, ...]
    weekday_rules: tuple[DayRule, ...]
    any_month_day: bool  # the day-of-month field leaves no day out
    any_weekday: bool
    #: Debian's rule: both day fields must match if one of them begins with `*`, otherwise one is enough.
    #: In the quartz dialect one of them is `?`, every day, so that both must match.
    both_days: bool
    #: Debian's rule: with a minute or hour that is a wildcard the schedule follows real time when the
    #: clock changes, instead of the task's policies.
    real_time: bool
    days: tuple[int, ...]  # matching days by month shape, see cron_days

    @property
    def can_match(self) -> bool:
        """Whether any date matches. Exact: asks each month of the 400-year cycle, or of the years given."""
        years = self.years.values if self.years else range(2000, 2400)
        return any(self._days_of(year, month) for year in years for month in self.months.values)

    def has_day(self, number: int) -> bool:
        """Whether a day (days since 1970) matches."""
        day = date.fromordinal(number + EPOCH_ORDINAL)
        return bool(self._days_of(day.year, day.month) >> day.day & 1)

    def at_or_after(self, wall: int) -> int | None:
        """The first matching wall-clock second at or after this one."""
        day, second = divmod(wall, DAY)
        found = self._day_at_or_after(day)
        if found == day:
            time = self._time_at_or_after(second)
            if time >= 0:
                return day * DAY + time
            found = self._day_at_or_after(day + 1)
        if found is None:
            return None
        return found * DAY + self.hours.first * 3600 + self.minutes.first * 60 + self.seconds.first

    def at_or_before(self, wall: int) -> int | None:
        """The last matching wall-clock second at or before this one."""
        day, second = divmod(wall, DAY)
        found = self._day_at_or_before(day)
        if found == day:
            time = self._time_at_or_before(second)
            if time >= 0:
                return day * DAY + time
            found = self._day_at_or_before(day - 1)
        if found is None:
            return None
        return found * DAY + self.hours.last * 3600 + self.minutes.last * 60 + self.seconds.last

    def _time_at_or_after(self, second_of_day: int) -> int:
        """The first matching second of a day from this one on, -1 if the day has none left."""
        rest, second = divmod(second_of_day, 60)
        hour, minute = divmod(rest, 60)
        if self.hours.up[hour] == hour:
            if self.minutes.up[minute] == minute:
                found = self.seconds.up[second]
                if found >= 0:
                    return hour * 3600 + minute * 60 + found
                minute += 1
            found = self.minutes.up[minute]
            if found >= 0:
                return hour * 3600 + found * 60 + self.seconds.first
            hour += 1
        found = self.hours.up[hour]
        return -1 if found < 0 else found * 3600 + self.minutes.first * 60 + self.seconds.first

    def _time_at_or_before(self, second_of_day: int) -> int:
        """The last matching second of a day up to this one, -1 if there is none."""
        rest, second = divmod(second_of_day, 60)
        hour, minute = divmod(rest, 60)
        if self.hours.down[hour] == hour:
            if self.minutes.down[minute] == minute:
                found = self.seconds.down[second]
                if found >= 0:
                    return hour * 3600 + minute * 60 + found
                minute -= 1
            found = self.minutes.down[minute]
            if found >= 0:
                return hour * 3600 + found * 60 + self.seconds.last
            hour -= 1
        found = self.hours.down[hour]
        return -1 if found < 0 else found * 3600 + self.minutes.last * 60 + self.seconds.last

    def _day_at_or_after(self, number: int) -> int | None:
        """The first matching day (days since 1970) from this one on."""
        start = date.fromordinal(number + EPOCH_ORDINAL)
        year, month = start.year, start.month
        days = self._days_of(year, month) >> start.day << start.day
        last_year = self.years.last if self.years else year + HORIZON_YEARS
        while not days:
            month = self.months.up[month + 1]
            if month < 0:
                year, month = self._year_after(year), self.months.first
                if year > last_year:
                    return None
            days = self._days_of(year, month)
        first = (days & -days).bit_length() - 1
        return date(year, month, first).toordinal() - EPOCH_ORDINAL

    def _day_at_or_before(self, number: int) -> int | None:
        """The last matching day (days since 1970) up to this one."""
        start = date.fromordinal(number + EPOCH_ORDINAL)
        year, month = start.year, start.month
        days = self._days_of(year, month) & ((2 << start.day) - 1)
        first_year = self.years.first if self.years else year - HORIZON_YEARS
        while not days:
            month = self.months.down[month - 1]
            if month < 0:
                year, month = self._year_before(year), self.months.last
                if year < first_year:
                    return None
            days = self._days_of(year, month)
        return date(year, month, days.bit_length() - 1).toordinal() - EPOCH_ORDINAL

    def _days_of(self, year: int, month: int) -> int:
        """The matching days of a month as bits."""
        if self.months.up[month] != month or (self.years is not None and year not in self.years.values):
            return 0
        length = DAYS_IN_MONTH[month]
        if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
            length = 29
        first_weekday = (date(year, month, 1).toordinal() - EPOCH_ORDINAL + THURSDAY) % 7
        return self.days[first_weekday * 4 + length - 28]

    def _year_after(self, year: int) -> int:
        if self.years is None:
            return year + 1
        return next((given for given in self.years.values if given > year), self.years.last + 1)

    def _year_before(self, year: int) -> int:
        if self.years is None:
            return year - 1
        return next((given for given in reversed(self.years.values) if given < year), self.years.first - 1)


@lru_cache(maxsize=4096)
def parse(dialect_name: str, texts: tuple[str, ...], spread_key: str = "") -> CronExpression:
    """The schedule that seven field texts, from second to year, mean in a dialect.

    ``spread_key`` matters where a field has `H`. Raises InvalidTrigger for the first field that cannot be
    read. Nothing in the result depends on the language, so it is kept; a refusal is not.
    """
    dialect = DIALECTS[dialect_name]
    real_time = dialect.follows_real_time(texts[1], texts[2])
    texts = settle(dialect, dialect.without_question_marks(texts), spread_key)

    def ladder(place: int) -> Ladder:
        spec = dialect.fields[place]
        return Ladder(fields.values(spec, texts[place]), spec.high)

    month_day_rules = fields.month_days(dialect.day, texts[3])
    weekday_rules = fields.weekdays(dialect.day_of_week, texts[5])
    both = dialect.question_mark or texts[3].startswith("*") or texts[5].startswith("*")
    return CronExpression(
        seconds=ladder(0),
        minutes=ladder(1),
        hours=ladder(2),
        months=ladder(4),
        years=None if texts[YEAR_PLACE] == "*" else ladder(YEAR_PLACE),
        month_day_rules=month_day_rules,
        weekday_rules=weekday_rules,
        any_month_day=_all_days(day_table(month_day_rules, (), False)),
        any_weekday=_all_days(day_table((), weekday_rules, False)),
        both_days=both,
        real_time=real_time,
        days=day_table(month_day_rules, weekday_rules, both),
    )


def _all_days(table: tuple[int, ...]) -> bool:
    return all(days == (2 << shape.length) - 2 for days, shape in zip(table, SHAPES, strict=True))
