"""Days, weeks, months and quarters as ranges of dates. A week is Monday to Sunday; the others are the calendar's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from instances.models import Period

#: Months of the calendar periods.
MONTHS = {Period.MONTH: 1, Period.QUARTER: 3}

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """One period of one kind, from its first to its last day."""

    period: str
    start: date
    end: date

    def previous(self) -> Span:
        return containing(self.period, self.start - DAY)

    def next(self) -> Span:
        return containing(self.period, self.end + DAY)

    def is_over(self, today: date) -> bool:
        return self.end < today

    def days(self) -> int:
        return (self.end - self.start).days + 1


def containing(period: str, day: date) -> Span:
    """The period of that kind in which the day lies. Raises ``ValueError`` for an unknown kind."""
    kind = Period(period)
    if kind == Period.DAY:
        return Span(kind.value, day, day)
    if kind == Period.WEEK:
        start = day - timedelta(days=day.weekday())
        return Span(kind.value, start, start + timedelta(days=6))
    months = MONTHS[kind]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    return Span(kind.value, first, add_months(first, months) - DAY)


def due(today: date) -> list[Span]:
    """What a nightly computation looks at: the last complete period of each kind, and the running one."""
    running = [containing(period, today) for period in Period.values]
    return [span for now in running for span in (now.previous(), now)]


def between(period: str, first: date, last: date) -> Iterator[Span]:
    """The periods of one kind that touch the range, oldest first."""
    span = containing(period, first)
    while span.start <= last:
        yield span
        span = span.next()


def add_months(first: date, months: int) -> date:
    """The first of the month so many months later; ``first`` is a first of a month."""
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
