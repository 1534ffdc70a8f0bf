"""Cron schedules, written as one expression or as named fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling.exceptions import InvalidTrigger

from . import cron_describe
from .base import ClockEffect, Terms, Trigger
from .cron_dialects import DEFAULT, DIALECTS, NAMED_FIELDS, Dialect
from .cron_expression import CronExpression, parse
from .cron_spread import is_spread
from .inputs import PARAMS, mapping, not_known, quoted, refusal
from .wallclock import WallClock
from .zones import ClockShift

#: Far more than all values of all fields spelled out.
EXPRESSION_LENGTH = 1000
#: Named fields from the finest to the coarsest, each with what it is when a coarser one is the finest given.
NAMED_MINIMUM = (
    ("second", "0"),
    ("minute", "0"),
    ("hour", "0"),
    ("day_of_week", "*"),
    ("day", "1"),
    ("month", "1"),
)


class CronTrigger(Trigger):
    """Fires where the wall clock matches an expression."""

    kind: ClassVar[str] = "cron"
    label: ClassVar[object] = gettext_lazy("Cron")
    keys: ClassVar[tuple[str, ...]] = ("expression", "dialect", *NAMED_FIELDS)

    __slots__ = ("expression", "spread", "wallclock")

    def __init__(self, expression: CronExpression, terms: Terms, spread: bool = False) -> None:
        self.expression = expression
        self.terms = terms
        self.spread = spread  # some of it comes from the task's key
        gap, fold = ("skip", "both") if expression.real_time else (terms.gap, terms.fold)
        self.wallclock = WallClock(expression, terms.timeline, gap, fold)

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: `dialect`, and `expression` (fields or a macro) or some of the named fields."""
        dialect, texts = _field_texts(params)
        spread = is_spread(texts)
        expression = parse(dialect.name, texts, terms.spread_key if spread else "")
        if not expression.can_match:
            raise refusal(_("This schedule can never fire: no month and year has such a day."))
        return cls(expression, terms, spread)

    @property
    def depends_on_key(self) -> bool:
        return self.spread

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self.wallclock.at_or_after(instant)

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self.wallclock.at_or_before(instant)

    def describe(self) -> str:
        return cron_describe.sentence(self.expression)

    def warnings(self) -> list[str]:
        return cron_describe.warnings(self.expression)

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        return cron_describe.clock_effect(self.wallclock, self.expression, shift)


def _field_texts(params: Mapping[str, object]) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect and the seven field texts, from second to year."""
    given = mapping(params, CronTrigger.keys)
    name = given.pop("dialect", DEFAULT)
    if not isinstance(name, str) or name not in DIALECTS:
        raise refusal(f"dialect: {not_known(name, DIALECTS)}")
    dialect = DIALECTS[name]
    if "expression" not in given:
        return dialect, _named_texts(dialect, given)
    if len(given) > 1:
        others = ", ".join(key for key in given if key != "expression")
        raise refusal(_("Give either an expression or named fields (%(keys)s), not both.") % {"keys": others})
    return dialect, dialect.split(_text("expression", given["expression"]))


def _named_texts(dialect: Dialect, given: Mapping[str, object]) -> tuple[str, ...]:
    """Omitted fields finer than the finest one given are at their minimum, all others are `*`.

    Of two day fields one is `?` in the quartz dialect, and need not be written.
    """
    texts: dict[str, str] = {}
    problems: list[str] = []
    for key, value in given.items():
        try:
            texts[key] = _named_text(dialect, key, value)
        except InvalidTrigger as problem:
            problems += problem.errors[PARAMS]
    if problems:
        raise InvalidTrigger({PARAMS: problems})
    if not texts:
        raise refusal(
            _("Give an expression, or at least one of %(fields)s.") % {"fields": ", ".join(NAMED_FIELDS)}
        )
    for key, minimum in NAMED_MINIMUM:
        if key in texts:
            break
        texts[key] = minimum
    if dialect.question_mark and "?" not in (texts.get("day"), texts.get("day_of_week")):
        if texts.get("day_of_week", "*") == "*":
            texts["day_of_week"] = "?"
        elif texts.get("day", "*") == "*":
            texts["day"] = "?"
    return tuple(texts.get(key, "*") for key in NAMED_FIELDS)


def _named_text(dialect: Dialect, key: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        spec = next(spec for spec in dialect.fields if spec.key == key)
        if not spec.low <= value <= spec.high:
            raise spec.refusal(quoted(value), _("The value is out of range."))
        return str(value)
    text = _text(key, value)
    if " " in text:
        raise refusal(_("%(key)s: %(value)s must not contain spaces.") % {"key": key, "value": quoted(text)})
    return text


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise refusal(_("%(key)s: a text is needed, not %(value)s.") % {"key": key, "value": quoted(value)})
    if len(value) > EXPRESSION_LENGTH:
        raise refusal(
            _("%(key)s: %(length)d characters are too many; at most %(limit)d are allowed.")
            % {"key": key, "length": len(value), "limit": EXPRESSION_LENGTH}
        )
    text = " ".join(value.split())
    if not text:
        raise refusal(_("%(key)s: an empty text is no schedule.") % {"key": key})
    if not text.isprintable():
        raise refusal(
            _("%(key)s: %(value)s contains characters that cannot be printed.")
            % {"key": key, "value": quoted(text)}
        )
    return text
