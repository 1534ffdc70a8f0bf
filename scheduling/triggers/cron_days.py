"""Which days of a month match: the day-of-month and day-of-week rules, and both together.

A month is one of 28 shapes (7 weekdays for its first day, 28 to 31 days), so that every question about
days is answered once per shape, as a bit mask (bit 1 is the first of the month), and then looked up.
Weekdays count as cron does: Sunday is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

DAYS_IN_MONTH = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

SUNDAY, SATURDAY = 0, 6


@dataclass(frozen=True, slots=True)
class MonthShape:
    """A month, but for its name."""

    first_weekday: int
    length: int

    def weekday(self, day: int) -> int:
        """The weekday of the n-th of the month."""
        return (self.first_weekday + day - 1) % 7

    @property
    def index(self) -> int:
        """The shape's place in SHAPES."""
        return self.first_weekday * 4 + self.length - 28


SHAPES = tuple(MonthShape(first, length) for first in range(7) for length in range(28, 32))


class DayRule(Protocol):
    """Some days of every month."""

    def mask(self, month: MonthShape) -> int:
        """The matching days as bits; bits above the month's length are ignored."""
        ...


@dataclass(frozen=True, slots=True)
class MonthDays:
    """Days by number. A month that lacks the day is left out."""

    days: frozenset[int]

    def mask(self, month: MonthShape) -> int:
        return sum(1 << day for day in self.days)


@dataclass(frozen=True, slots=True)
class LastDay:
    """`L`: the last day of the month."""

    def mask(self, month: MonthShape) -> int:
        return 1 << month.length


@dataclass(frozen=True, slots=True)
class LastWorkday:
    """`LW`: the last Monday-to-Friday day of the month."""

    def mask(self, month: MonthShape) -> int:
        back = {SATURDAY: 1, SUNDAY: 2}.get(month.weekday(month.length), 0)
        return 1 << (month.length - back)


@dataclass(frozen=True, slots=True)
class DayBeforeLast:
    """`L-3`: so many days before the last day of the month. A month that lacks the day is left out."""

    days: int

    def mask(self, month: MonthShape) -> int:
        return 1 << (month.length - self.days) if month.length > self.days else 0


@dataclass(frozen=True, slots=True)
class NearestWorkday:
    """`15W`: the Monday-to-Friday day nearest to a day, within the month. A month that lacks the day is left out."""

    day: int

    def mask(self, month: MonthShape) -> int:
        return nearest_workday(month, self.day)


@dataclass(frozen=True, slots=True)
class NearestWorkdayBeforeLast:
    """`L-3W`: the Monday-to-Friday day nearest to the day that is so many before the last, within the month."""

    days: int

    def mask(self, month: MonthShape) -> int:
        return nearest_workday(month, month.length - self.days)


def nearest_workday(month: MonthShape, day: int) -> int:
    """The day as a bit: Friday before a Saturday, Monday after a Sunday, but never in another month."""
    if not 1 <= day <= month.length:
        return 0
    weekday = month.weekday(day)
    if weekday == SATURDAY:
        day += -1 if day > 1 else 2
    elif weekday == SUNDAY:
        day += 1 if day < month.length else -2
    return 1 << day


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Weekdays by number."""

    weekdays: frozenset[int]

    def mask(self, month: MonthShape) -> int:
        return sum(1 << day for day in range(1, 32) if month.weekday(day) in self.weekdays)


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """`FRI#3`: the n-th such weekday. A month without a fifth one is left out."""

    weekday: int
    nth: int

    def mask(self, month: MonthShape) -> int:
        first = 1 + (self.weekday - month.first_weekday) % 7
        return 1 << (first + 7 * (self.nth - 1))


@dataclass(frozen=True, slots=True)
class LastWeekday:
    """`FRIL`: the last such weekday of the month."""

    weekday: int

    def mask(self, month: MonthShape) -> int:
        back = (month.weekday(month.length) - self.weekday) % 7
        return 1 << (month.length - back)


@lru_cache(maxsize=1024)
def day_table(of_month: tuple[DayRule, ...], of_week: tuple[DayRule, ...], both: bool) -> tuple[int, ...]:
    """The matching days of each month shape, in the order of SHAPES.

    ``both`` asks for days that match in either way at once, otherwise one is enough.
    """
    table = []
    for shape in SHAPES:
        by_number = by_weekday = 0
        for rule in of_month:
            by_number |= rule.mask(shape)
        for rule in of_week:
            by_weekday |= rule.mask(shape)
        days = by_number & by_weekday if both else by_number | by_weekday
        table.append(days & ((2 << shape.length) - 2))
    return tuple(table)
