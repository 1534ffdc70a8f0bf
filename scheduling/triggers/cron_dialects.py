"""The dialects of cron: how many fields there are, what each may hold, and what the clock's changes do.

A dialect is always named, never guessed from an expression: `0 0 12 1 * 2` is the second of a week in one
and Monday in the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scheduling.exceptions import InvalidTrigger

from .cron_fields import MONTH_NAMES, WEEKDAY_NAMES, FieldSpec
from .inputs import did_you_mean, quoted, refusal

#: As parameters and messages call the fields.
NAMED_FIELDS = ("second", "minute", "hour", "day", "month", "day_of_week", "year")
MACROS = {
    "@yearly": ("0", "0", "0", "1", "1", "*"),
    "@annually": ("0", "0", "0", "1", "1", "*"),
    "@monthly": ("0", "0", "0", "1", "*", "*"),
    "@weekly": ("0", "0", "0", "*", "*", "SUN"),
    "@daily": ("0", "0", "0", "*", "*", "*"),
    "@midnight": ("0", "0", "0", "*", "*", "*"),
    "@hourly": ("0", "0", "*", "*", "*", "*"),
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to write a cron schedule."""

    name: str
    fields: tuple[FieldSpec, ...]  # all seven, from second to year
    question_mark: bool  # whether one of the day fields must be “?”
    #: With a minute or hour that begins so, a schedule follows real time when the clock changes (Debian's rule).
    wildcards: tuple[str, ...]

    @property
    def day(self) -> FieldSpec:
        return self.fields[3]

    @property
    def day_of_week(self) -> FieldSpec:
        return self.fields[5]

    def follows_real_time(self, minute: str, hour: str) -> bool:
        """Whether clock changes neither drop nor repeat runs, by real time; else the task's policies hold."""
        return minute.upper().startswith(self.wildcards) or hour.upper().startswith(self.wildcards)

    def split(self, text: str) -> tuple[str, ...]:
        """The seven field texts of an expression or macro. Raises InvalidTrigger."""
        if text.startswith("@"):
            texts = list(_macro(text))
            if self.question_mark:
                texts[3 if texts[3] == "*" else 5] = "?"
            return (*texts, "*")
        texts = text.split()
        if self.question_mark:
            self._check_count(text, texts, (6, 7))
            return tuple(texts) if len(texts) == 7 else (*texts, "*")
        self._check_count(text, texts, (5, 6))
        return (*texts, "*") if len(texts) == 6 else ("0", *texts, "*")

    def _check_count(self, text: str, texts: list[str], allowed: tuple[int, int]) -> None:
        if len(texts) in allowed:
            return
        words = {"value": quoted(text), "count": len(texts)}
        if self.question_mark:
            sentence = ngettext(
                "expression: %(value)s has %(count)d field; the quartz dialect has 6 (second, minute, hour, "
                "day, month, day_of_week) or 7 (year last).",
                "expression: %(value)s has %(count)d fields; the quartz dialect has 6 (second, minute, hour, "
                "day, month, day_of_week) or 7 (year last).",
                len(texts),
            )
        else:
            sentence = ngettext(
                "expression: %(value)s has %(count)d field; the unix dialect has 5 (minute, hour, day, "
                "month, day_of_week) or 6 (second first).",
                "expression: %(value)s has %(count)d fields; the unix dialect has 5 (minute, hour, day, "
                "month, day_of_week) or 6 (second first).",
                len(texts),
            )
        raise refusal(sentence % words)

    def without_question_marks(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """The texts with “*” in the place of “?”; raises InvalidTrigger unless “?” stands where it must."""
        if not self.question_mark:
            return texts
        day, weekday = texts[3], texts[5]
        if (day == "?") == (weekday == "?"):
            raise self._day_refusal(day, weekday)
        return tuple("*" if place in (3, 5) and text == "?" else text for place, text in enumerate(texts))

    def _day_refusal(self, day: str, weekday: str) -> InvalidTrigger:
        words = {"day": quoted(day), "weekday": quoted(weekday)}
        if day == "?":
            text = _("day %(day)s and day_of_week %(weekday)s: only one of them may be “?”. ")
            return refusal(text % words + _("Write * for every day, as in “0 0 12 * * ?”."))
        text = _("day %(day)s and day_of_week %(weekday)s: the quartz dialect takes one of them only. ")
        return refusal(text % words + _("The other one must be “?”, as in “0 0 12 ? * MON-FRI”."))


def _macro(text: str) -> tuple[str, ...]:
    macro = text.lower()
    if macro in MACROS:
        return MACROS[macro]
    if macro == "@reboot":
        raise refusal(
            _(
                "expression: “@reboot” is not supported, because several scheduler processes may start and "
                "stop at any time. Allowed are %(allowed)s."
            )
            % {"allowed": ", ".join(MACROS)}
        )
    raise refusal(
        _("expression: %(value)s is not a known macro.") % {"value": quoted(text)}
        + did_you_mean(macro, MACROS)
        + " "
        + _("Allowed are %(allowed)s.") % {"allowed": ", ".join(MACROS)}
    )


_SPREAD = gettext_lazy("H, H(1-3) or H/2 (a value of the task's own)")
_MONTH_DAY = gettext_lazy(
    "L (last day), L-3 (three days before), LW (last Monday-to-Friday day), 15W (the one nearest to the 15th)"
)
YEAR = FieldSpec("year", 1970, 2099)

UNIX = Dialect(
    "unix",
    (
        FieldSpec("second", 0, 59),
        FieldSpec("minute", 0, 59),
        FieldSpec("hour", 0, 23),
        FieldSpec("day", 1, 31, special=_MONTH_DAY),
        FieldSpec("month", 1, 12, MONTH_NAMES),
        FieldSpec(
            "day_of_week",
            0,
            7,
            WEEKDAY_NAMES,
            gettext_lazy("FRI#3 or 5#3 (third Friday), FRIL or 5L (last Friday)"),
        ),
        YEAR,
    ),
    question_mark=False,
    wildcards=("*", "H/"),
)
QUARTZ = Dialect(
    "quartz",
    (
        FieldSpec("second", 0, 59, wraps=True, most_step=59),
        FieldSpec("minute", 0, 59, wraps=True, most_step=59),
        FieldSpec("hour", 0, 23, wraps=True, most_step=23),
        FieldSpec("day", 1, 31, special=_MONTH_DAY, wraps=True),
        FieldSpec("month", 1, 12, MONTH_NAMES, wraps=True),
        FieldSpec(
            "day_of_week",
            1,
            7,
            WEEKDAY_NAMES,
            gettext_lazy("FRI#3 or 6#3 (third Friday), FRIL or 6L (last Friday); 1 is Sunday"),
            wraps=True,
        ),
        YEAR,
    ),
    question_mark=True,
    wildcards=("*", "/", "0/", "00/", "H/"),
)
DIALECTS = {dialect.name: dialect for dialect in (UNIX, QUARTZ)}
#: What a task has whose parameters name none: YAML files and named fields.
DEFAULT = UNIX.name
