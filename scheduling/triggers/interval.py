"""Equal steps of real time, counted from a fixed anchor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from .base import ClockEffect, Terms, Trigger
from .inputs import mapping, refusal, whole_number
from .zones import EPOCH, ClockShift

#: Seconds in each unit that a person may give, from the coarsest to the finest.
UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
#: Ten years.
LONGEST_SECONDS = 3_653 * 86_400


class IntervalTrigger(Trigger):
    """Fires at the anchor plus every whole multiple of a period, before the anchor as well as after it.

    The anchor is `anchor_at`, else the start, else 1970: never the moment of a restart. A day is 24 hours of
    real time here; a schedule that keeps to the wall clock is a cron schedule.
    """

    kind: ClassVar[str] = "interval"
    label: ClassVar[object] = gettext_lazy("Interval")
    keys: ClassVar[tuple[str, ...]] = tuple(UNITS)

    __slots__ = ("amounts", "anchor", "period")

    def __init__(self, amounts: Mapping[str, int], terms: Terms) -> None:
        self.amounts = dict(amounts)
        self.period = timedelta(seconds=sum(UNITS[unit] * amount for unit, amount in amounts.items()))
        self.terms = terms
        self.anchor = terms.anchor_at or terms.start_at or EPOCH

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: whole `weeks`, `days`, `hours`, `minutes`, `seconds`, together one second to ten years."""
        given = mapping(params, cls.keys)
        amounts = {
            unit: whole_number(unit, given[unit], 0, LONGEST_SECONDS // seconds)
            for unit, seconds in UNITS.items()
            if unit in given
        }
        total = sum(UNITS[unit] * amount for unit, amount in amounts.items())
        if not 1 <= total <= LONGEST_SECONDS:
            raise refusal(
                _("An interval is at least 1 second and at most %(days)d days long; give %(units)s.")
                % {"days": LONGEST_SECONDS // 86_400, "units": ", ".join(UNITS)}
            )
        trigger = cls({unit: amount for unit, amount in amounts.items() if amount}, terms)
        trigger.check_bounds()
        return trigger

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self._occurrence(-((self.anchor - instant) // self.period))

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self._occurrence((instant - self.anchor) // self.period)

    def _occurrence(self, number: int) -> datetime | None:
        try:
            return self.anchor + number * self.period
        except OverflowError:  # beyond the years that datetime knows
            return None

    def describe(self) -> str:
        if len(self.amounts) == 1:
            ((unit, amount),) = self.amounts.items()
            return _single_sentence(unit, amount)
        parts = pgettext("between parts of a duration", ", ").join(
            _amount_phrase(unit, amount) for unit, amount in self.amounts.items()
        )
        return _("Every %(duration)s") % {"duration": parts}

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        if timedelta(seconds=shift.after - shift.before) % self.period:
            return ClockEffect(
                "shifts", _("Keeps its spacing in real time; by the wall clock, its times shift.")
            )
        return super().clock_effect(shift)


def _single_sentence(unit: str, amount: int) -> str:
    sentence = {
        "weeks": ngettext("Every week", "Every %(count)d weeks", amount),
        "days": ngettext("Every 24 hours", "Every %(count)d days of 24 hours", amount),
        "hours": ngettext("Every hour", "Every %(count)d hours", amount),
        "minutes": ngettext("Every minute", "Every %(count)d minutes", amount),
        "seconds": ngettext("Every second", "Every %(count)d seconds", amount),
    }[unit]
    return sentence % {"count": amount}


def _amount_phrase(unit: str, amount: int) -> str:
    phrase = {
        "weeks": ngettext("%(count)d week", "%(count)d weeks", amount),
        "days": ngettext("%(count)d day", "%(count)d days", amount),
        "hours": ngettext("%(count)d hour", "%(count)d hours", amount),
        "minutes": ngettext("%(count)d minute", "%(count)d minutes", amount),
        "seconds": ngettext("%(count)d second", "%(count)d seconds", amount),
    }[unit]
    return phrase % {"count": amount}
