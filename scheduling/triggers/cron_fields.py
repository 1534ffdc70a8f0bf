"""The text of one cron field, read into numbers or day rules.

A field is a list of terms. A term is `*`, a value, a range `a-b`, or one of these with a step: `*/5`,
`10-30/5`; `5/10` means by tens from 5 to the field's end. Names may be in any case, numbers may have
leading zeros. What else may stand in a field is the dialect's matter, and said by its FieldSpec.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from .cron_days import (
    SATURDAY,
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
from .inputs import quoted, refusal

WEEKDAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
#: `L-31` would be no day of any month.
MOST_BEFORE_LAST = 30

LAST_DAY = re.compile(r"L(?:-([0-9]{1,10}))?(W?)", re.ASCII)
NEAREST = re.compile(r"([0-9]{1,10})W", re.ASCII)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What one field may hold in one dialect."""

    key: str  # as in the named form; messages call the field so, too
    low: int
    high: int
    names: tuple[str, ...] = ()  # the first one stands for `low`
    special: object = ""  # what is allowed besides, as the (lazy) end of a sentence
    wraps: bool = False  # whether a range may go over the end, as FRI-MON does
    most_step: int = 0  # 0: as many as the field has values

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    def allowed(self) -> str:
        """A sentence on what may stand here."""
        values = f"{self.low}–{self.high}"
        if self.names:
            values += f", {self.names[0]}–{self.names[-1]}"
        if self.special:
            return _(
                "Allowed are *, %(values)s, lists (1,3), ranges (1-3), steps (*/2), and %(special)s."
            ) % {
                "values": values,
                "special": self.special,
            }
        return _("Allowed are *, %(values)s, lists (1,3), ranges (1-3) and steps (*/2).") % {"values": values}

    def refusal(self, token: str, problem: str) -> InvalidTrigger:
        """The exception for a token of this field; `problem` is a full sentence."""
        return refusal(
            _("%(field)s, %(token)s: %(problem)s %(allowed)s")
            % {"field": self.key, "token": quoted(token), "problem": problem, "allowed": self.allowed()}
        )


#: Reads one term that plain numbers cannot express; None when the term is not of that kind.
Special = Callable[[FieldSpec, str], DayRule | None]


def values(spec: FieldSpec, text: str) -> frozenset[int]:
    """The numbers that a field without special terms means."""
    numbers, _rules = _parse(spec, text, lambda spec, term: None)
    return numbers


def month_days(spec: FieldSpec, text: str) -> tuple[DayRule, ...]:
    """The rules of a day-of-month field."""
    numbers, rules = _parse(spec, text, _month_day_special)
    return (MonthDays(numbers), *rules) if numbers else rules


def weekdays(spec: FieldSpec, text: str) -> tuple[DayRule, ...]:
    """The rules of a day-of-week field, in which the lowest number is Sunday."""
    numbers, rules = _parse(spec, text, _weekday_special)
    if not numbers:
        return rules
    return (Weekdays(frozenset((number - spec.low) % 7 for number in numbers)), *rules)


def _parse(spec: FieldSpec, text: str, special: Special) -> tuple[frozenset[int], tuple[DayRule, ...]]:
    numbers: set[int] = set()
    rules: dict[DayRule, None] = {}
    for term in text.upper().split(","):
        if not term:
            raise spec.refusal(text, _("A term is empty."))
        rule = special(spec, term)
        if rule is None:
            numbers.update(_term(spec, term))
        else:
            rules[rule] = None
    return frozenset(numbers), tuple(rules)


def _term(spec: FieldSpec, term: str) -> frozenset[int]:
    body, slash, step_text = term.partition("/")
    step = read_step(spec, term, step_text) if slash else 1
    if body == "*" or (not body and slash and spec.wraps):  # Quartz reads “/5” as “*/5”
        return frozenset(range(spec.low, spec.high + 1, step))
    first_text, dash, last_text = body.partition("-")
    first = read_value(spec, term, first_text)
    if not dash:
        if slash and spec.wraps and first_text in spec.names:  # Quartz takes it, and overlooks the step
            raise spec.refusal(
                term, _("After a single name there is no step; write a range of numbers, as in 2-6/2.")
            )
        return frozenset(range(first, spec.high + 1, step)) if slash else frozenset((first,))
    last = read_value(spec, term, last_text)
    if last >= first:
        return frozenset(range(first, last + 1, step))
    if not spec.wraps:
        raise spec.refusal(term, _("The range ends before it begins; write two ranges or a list instead."))
    over_the_end = range(first, last + spec.size + 1, step)
    return frozenset((number - spec.low) % spec.size + spec.low for number in over_the_end)


def read_step(spec: FieldSpec, term: str, text: str) -> int:
    """The number after a slash; raises InvalidTrigger."""
    most = spec.most_step or spec.size
    step = _digits(text)
    if step is None or not 1 <= step <= most:
        raise spec.refusal(term, _("A step is a whole number from 1 to %(high)d.") % {"high": most})
    return step


def read_value(spec: FieldSpec, term: str, text: str) -> int:
    """A number or name of the field; raises InvalidTrigger."""
    if text in spec.names:
        return spec.names.index(text) + spec.low
    number = _digits(text)
    if number is None:
        raise spec.refusal(term, _not_a_value(text))
    if not spec.low <= number <= spec.high:
        raise spec.refusal(term, _("%(value)s is out of range.") % {"value": quoted(text)})
    return number


def _not_a_value(text: str) -> str:
    if text == "?":
        return _("“?” belongs to day and day_of_week of the quartz dialect.")
    return _("%(value)s is not a value of this field.") % {"value": quoted(text)}


def _digits(text: str) -> int | None:
    """The number in ASCII digits, or None; nothing here needs more than four, but zeros may lead."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text)


def _month_day_special(spec: FieldSpec, term: str) -> DayRule | None:
    if nearest := NEAREST.fullmatch(term):
        return NearestWorkday(read_value(spec, term, nearest[1]))
    last = LAST_DAY.fullmatch(term)
    if last is None:
        return None
    if last[1] is None:
        return LastWorkday() if last[2] else LastDay()
    days = int(last[1])
    if not 1 <= days <= MOST_BEFORE_LAST:
        text = _("After L- stands a whole number from 1 to %(most)d.")
        raise spec.refusal(term, text % {"most": MOST_BEFORE_LAST})
    return NearestWorkdayBeforeLast(days) if last[2] else DayBeforeLast(days)


def _weekday_special(spec: FieldSpec, term: str) -> DayRule | None:
    day, hash_sign, nth_text = term.partition("#")
    if hash_sign:
        nth = _digits(nth_text)
        if nth is None or not 1 <= nth <= 5:
            raise spec.refusal(term, _("After # stands a whole number from 1 to 5."))
        return NthWeekday((read_value(spec, term, day) - spec.low) % 7, nth)
    if term == "L":
        if spec.low == 1:  # as Quartz: the last day of the week
            return Weekdays(frozenset((SATURDAY,)))
        raise spec.refusal(term, _("L needs a weekday before it, as in FRIL."))
    if term.endswith("L"):
        return LastWeekday((read_value(spec, term, term[:-1]) - spec.low) % 7)
    return None
