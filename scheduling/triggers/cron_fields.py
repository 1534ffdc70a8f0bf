"""The text of one cron field, read into numbers or day rules, as the `unix` dialect has them.

A field is a list of terms. A term is `*`, a value, a range `a-b`, or one of these with a step: `*/5`,
`10-30/5`; `5/10` means by tens from 5 to the field's end. Names may be in any case, numbers may have
leading zeros. Ranges do not wrap around.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling.exceptions import InvalidTrigger

from .cron_days import DayRule, LastDay, LastWeekday, LastWorkday, MonthDays, NthWeekday, Weekdays
from .inputs import quoted, refusal

WEEKDAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What one field may hold."""

    key: str  # as in the named form; messages call the field so, too
    low: int
    high: int
    names: tuple[str, ...] = ()  # the first one stands for `low`
    special: object = ""  # what is allowed besides, as the (lazy) end of a sentence

    @property
    def everything(self) -> frozenset[int]:
        return frozenset(range(self.low, self.high + 1))

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


SECOND = FieldSpec("second", 0, 59)
MINUTE = FieldSpec("minute", 0, 59)
HOUR = FieldSpec("hour", 0, 23)
DAY = FieldSpec("day", 1, 31, special=gettext_lazy("L (last day), LW (last Monday-to-Friday day)"))
MONTH = FieldSpec("month", 1, 12, MONTH_NAMES)
DAY_OF_WEEK = FieldSpec(
    "day_of_week", 0, 7, WEEKDAY_NAMES, gettext_lazy("FRI#3 or 5#3 (third Friday), FRIL or 5L (last Friday)")
)
YEAR = FieldSpec("year", 1970, 2099)

#: Reads one term that plain numbers cannot express; None when the term is not of that kind.
Special = Callable[[str], DayRule | None]


def values(spec: FieldSpec, text: str) -> frozenset[int]:
    """The numbers that a field without special terms means."""
    numbers, _rules = _parse(spec, text, lambda term: None)
    return numbers


def month_days(text: str) -> tuple[DayRule, ...]:
    """The rules of a day-of-month field."""
    numbers, rules = _parse(DAY, text, _month_day_special)
    return (MonthDays(numbers), *rules) if numbers else rules


def weekdays(text: str) -> tuple[DayRule, ...]:
    """The rules of a day-of-week field; 0 and 7 are both Sunday."""
    numbers, rules = _parse(DAY_OF_WEEK, text, _weekday_special)
    return (Weekdays(frozenset(number % 7 for number in numbers)), *rules) if numbers else rules


def _parse(spec: FieldSpec, text: str, special: Special) -> tuple[frozenset[int], tuple[DayRule, ...]]:
    numbers: set[int] = set()
    rules: dict[DayRule, None] = {}
    for term in text.upper().split(","):
        if not term:
            raise spec.refusal(text, _("A term is empty."))
        rule = special(term)
        if rule is None:
            numbers.update(_term(spec, term))
        else:
            rules[rule] = None
    return frozenset(numbers), tuple(rules)


def _term(spec: FieldSpec, term: str) -> range:
    body, slash, step_text = term.partition("/")
    step = _step(spec, term, step_text) if slash else 1
    if body == "*":
        return range(spec.low, spec.high + 1, step)
    first_text, dash, last_text = body.partition("-")
    first = _value(spec, term, first_text)
    if not dash:
        return range(first, spec.high + 1, step) if slash else range(first, first + 1)
    last = _value(spec, term, last_text)
    if last < first:
        raise spec.refusal(term, _("The range ends before it begins; write two ranges or a list instead."))
    return range(first, last + 1, step)


def _step(spec: FieldSpec, term: str, text: str) -> int:
    size = spec.high - spec.low + 1
    step = _digits(text)
    if step is None or not 1 <= step <= size:
        raise spec.refusal(term, _("A step is a whole number from 1 to %(high)d.") % {"high": size})
    return step


def _value(spec: FieldSpec, term: str, text: str) -> int:
    if text in spec.names:
        return spec.names.index(text) + spec.low
    number = _digits(text)
    if number is None:
        raise spec.refusal(term, _("%(value)s is not a value of this field.") % {"value": quoted(text)})
    if not spec.low <= number <= spec.high:
        raise spec.refusal(term, _("%(value)s is out of range.") % {"value": quoted(text)})
    return number


def _digits(text: str) -> int | None:
    """The number in ASCII digits, or None; nothing here needs more than four, but zeros may lead."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text)


def _month_day_special(term: str) -> DayRule | None:
    if term == "L":
        return LastDay()
    return LastWorkday() if term == "LW" else None


def _weekday_special(term: str) -> DayRule | None:
    day, hash_sign, nth_text = term.partition("#")
    if hash_sign:
        nth = _digits(nth_text)
        if nth is None or not 1 <= nth <= 5:
            raise DAY_OF_WEEK.refusal(term, _("After # stands a whole number from 1 to 5."))
        return NthWeekday(_value(DAY_OF_WEEK, term, day) % 7, nth)
    if term == "L":
        raise DAY_OF_WEEK.refusal(term, _("L needs a weekday before it, as in FRIL."))
    if term.endswith("L"):
        return LastWeekday(_value(DAY_OF_WEEK, term, term[:-1]) % 7)
    return None
