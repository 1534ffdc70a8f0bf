"""How many occurrences each minute has, quickly: for forecasts over thousands of tasks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from .base import Trigger
from .cron import CronTrigger
from .zones import DAY, EPOCH

MINUTE = timedelta(minutes=1)
#: Occurrences of one schedule that are walked through; beyond them it is taken to go on alike.
WALKED = 2_000


def minutes(trigger: Trigger, begin: datetime, count: int) -> tuple[Iterable[int], int]:
    """The minutes, numbered from ``begin`` (a whole minute, UTC) on, that have occurrences, and how many each has.

    A minute may come several times. Raises InvalidTrigger where the trigger does.
    """
    if isinstance(trigger, CronTrigger):
        quick = _of_cron(trigger, begin, count)
        if quick is not None:
            return quick
    end = begin + count * MINUTE
    found = trigger.between(begin - timedelta(microseconds=1), end - timedelta(microseconds=1), WALKED)
    numbers = [(at - begin) // MINUTE for at in found]
    if len(found) == WALKED:
        numbers += _continued(numbers, count)
    return numbers, 1


def _of_cron(trigger: CronTrigger, begin: datetime, count: int) -> tuple[list[int], int] | None:
    """Out of the fields themselves; None where a clock change, a start or an end is near."""
    terms = trigger.terms
    low = (begin - EPOCH) // timedelta(seconds=1)
    high = low + count * 60
    if terms.start_at is not None or terms.end_at is not None:
        return None
    if next(terms.timeline.shifts(low - DAY, high + DAY), None) is not None:
        return None
    offset = terms.timeline.offset_at(low)
    if offset % 60:
        return None
    expression = trigger.expression
    of_day = [hour * 60 + minute for hour in expression.hours.values for minute in expression.minutes.values]
    first = (low + offset) // 60
    found: list[int] = []
    for day in range(first // 1440, (first + count - 1) // 1440 + 1):
        if expression.has_day(day):
            start = day * 1440 - first
            found += [start + minute for minute in of_day]
    return [number for number in found if 0 <= number < count], len(expression.seconds.values)


def _continued(numbers: list[int], count: int) -> list[int]:
    """The minutes after the last one walked to, in the rhythm so far."""
    length = max(1, numbers[-1] - numbers[0])
    more: list[int] = []
    shift = length
    while numbers[0] + shift < count:
        more += [number + shift for number in numbers if numbers[-1] < number + shift < count]
        shift += length
    return more
