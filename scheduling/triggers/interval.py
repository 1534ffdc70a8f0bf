"""Equal steps, counted from a fixed anchor: of real time, or of months and years by the wall clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from .base import ClockEffect, Terms, Trigger
from .clock_effects import effect_of
from .inputs import mapping, quoted, refusal, whole_number
from .interval_calendar import CalendarSteps
from .rhythms import every
from .wallclock import WallClock
from .zones import EPOCH, ClockShift

#: Months in each unit that a person may give.
MONTH_UNITS = {"years": 12, "months": 1}
#: Seconds in each unit that a person may give, from the coarsest to the finest.
UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
#: Ten years.
LONGEST_SECONDS = 3_653 * 86_400
LONGEST_MONTHS = 120


class IntervalTrigger(Trigger):
    """Fires at the anchor plus every whole multiple of a period, before the anchor as well as after it.

    The anchor is `anchor_at`, else the start, else 1970: never the moment of a restart. A day is 24 hours of
    real time here, unless months or years are given: then all of it is counted by the wall clock.
    """

    kind: ClassVar[str] = "interval"
    label: ClassVar[object] = gettext_lazy("Interval")
    keys: ClassVar[tuple[str, ...]] = (*MONTH_UNITS, *UNITS, "after_end")

    __slots__ = ("after_end", "amounts", "anchor", "clock", "period")

    def __init__(self, amounts: Mapping[str, int], terms: Terms, after_end: bool = False) -> None:
        self.after_end = after_end
        self.amounts = dict(amounts)
        self.period = timedelta(seconds=sum(UNITS[unit] * amounts.get(unit, 0) for unit in UNITS))
        self.terms = terms
        self.anchor = terms.anchor_at or terms.start_at or EPOCH
        months = sum(MONTH_UNITS[unit] * amounts.get(unit, 0) for unit in MONTH_UNITS)
        self.clock: WallClock | None = None
        if months:
            # A whole second, and none before the anchor: it may be the start.
            instant = -((EPOCH - self.anchor) // timedelta(seconds=1))
            anchor = instant + terms.timeline.offset_at(instant)
            steps = CalendarSteps(anchor, months, int(self.period.total_seconds()))
            self.clock = WallClock(steps, terms.timeline, terms.gap, terms.fold)

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: whole `years`, `months`, `weeks` … `seconds`, together one second to ten years.

        `after_end`, true or false: whether it is counted from the end of the run before instead.
        """
        given = mapping(params, cls.keys)
        after_end = given.get("after_end", False)
        if not isinstance(after_end, bool):
            raise refusal(_("after_end: %(value)s is neither true nor false.") % {"value": quoted(after_end)})
        limits = {unit: LONGEST_MONTHS // months for unit, months in MONTH_UNITS.items()}
        limits |= {unit: LONGEST_SECONDS // seconds for unit, seconds in UNITS.items()}
        amounts = {
            unit: whole_number(unit, given[unit], 0, most) for unit, most in limits.items() if unit in given
        }
        months = sum(MONTH_UNITS[unit] * amounts.get(unit, 0) for unit in MONTH_UNITS)
        seconds = sum(UNITS[unit] * amounts.get(unit, 0) for unit in UNITS)
        if not (months or seconds) or seconds > LONGEST_SECONDS or months > LONGEST_MONTHS:
            raise refusal(
                _("An interval is at least 1 second and at most %(days)d days long; give %(units)s.")
                % {"days": LONGEST_SECONDS // 86_400, "units": ", ".join((*MONTH_UNITS, *UNITS))}
            )
        if months and after_end:
            raise refusal(_("after_end: months and years are not counted from the end of a run."))
        return cls({unit: amount for unit, amount in amounts.items() if amount}, terms, after_end)

    @property
    def follows_end(self) -> bool:
        return self.after_end

    def at_or_after(self, instant: datetime) -> datetime | None:
        if self.clock is not None:
            return self.clock.at_or_after(instant)
        return self._occurrence(-((self.anchor - instant) // self.period))

    def at_or_before(self, instant: datetime) -> datetime | None:
        if self.clock is not None:
            return self.clock.at_or_before(instant)
        return self._occurrence((instant - self.anchor) // self.period)

    def _occurrence(self, number: int) -> datetime | None:
        try:
            return self.anchor + number * self.period
        except OverflowError:  # beyond the years that datetime knows
            return None

    def describe(self) -> str:
        if self.after_end:
            parts = [_amount_phrase(unit, amount) for unit, amount in self.amounts.items()]
            return _("%(duration)s after the end of the run before") % {
                "duration": pgettext("between parts of a duration", ", ").join(parts)
            }
        if self.clock is None:
            return self._rhythm()
        local = self.anchor.astimezone(self.terms.timeline.tz)
        return _("%(rhythm)s, counted from %(date)s at %(time)s") % {
            "rhythm": self._rhythm(),
            "date": local.date().isoformat(),
            "time": local.time().isoformat("seconds"),
        }

    def _rhythm(self) -> str:
        if len(self.amounts) == 1:
            ((unit, amount),) = self.amounts.items()
            return every("days of 24 hours" if unit == "days" else unit, amount)
        parts = pgettext("between parts of a duration", ", ").join(
            _amount_phrase(unit, amount) for unit, amount in self.amounts.items()
        )
        return _("Every %(duration)s") % {"duration": parts}

    def warnings(self) -> list[str]:
        day = self.anchor.astimezone(self.terms.timeline.tz).day
        if self.clock is None or day <= 28:
            return []
        text = _("Months without a day %(day)d run on their last day.")
        return [text % {"day": day}]

    def clock_effect(self, shift: ClockShift) -> ClockEffect:
        if self.clock is not None:
            return effect_of(self.clock, shift)
        if timedelta(seconds=shift.after - shift.before) % self.period:
            return ClockEffect(
                "shifts", _("Keeps its spacing in real time; by the wall clock, its times shift.")
            )
        return super().clock_effect(shift)


def _amount_phrase(unit: str, amount: int) -> str:
    phrase = {
        "years": ngettext("%(count)d year", "%(count)d years", amount),
        "months": ngettext("%(count)d month", "%(count)d months", amount),
        "weeks": ngettext("%(count)d week", "%(count)d weeks", amount),
        "days": ngettext("%(count)d day", "%(count)d days", amount),
        "hours": ngettext("%(count)d hour", "%(count)d hours", amount),
        "minutes": ngettext("%(count)d minute", "%(count)d minutes", amount),
        "seconds": ngettext("%(count)d second", "%(count)d seconds", amount),
    }[unit]
    return phrase % {"count": amount}
