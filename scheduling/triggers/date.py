"""One moment, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import moments
from .base import Terms, Trigger
from .inputs import PARAMS, mapping, refusal


class DateTrigger(Trigger):
    """Fires once, at `run_date`. Whether that has passed is for the caller to ask (`next_after`)."""

    kind: ClassVar[str] = "date"
    label: ClassVar[object] = gettext_lazy("Once")
    keys: ClassVar[tuple[str, ...]] = ("run_date",)

    __slots__ = ("run_at", "written")

    def __init__(self, run_at: datetime, written: datetime, terms: Terms) -> None:
        self.run_at = run_at  # UTC
        self.written = written  # as the person gave it; naive: in the zone
        self.terms = terms

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: `run_date`, an ISO text or datetime; without an offset it is in the zone."""
        given = mapping(params, cls.keys)
        if "run_date" not in given:
            raise refusal(
                _("run_date is missing: the date and time to run at, such as “2027-01-31 03:00:00”.")
            )
        moment = moments.read("run_date", given["run_date"], PARAMS)
        run_at = moments.instant(moment, terms.timeline, terms.gap, terms.fold)
        if run_at is None:
            raise refusal(
                _("run_date: the clock in %(zone)s skips this time, and the policy is to skip the run.")
                % {"zone": terms.timeline.name}
            )
        trigger = cls(run_at, moment, terms)
        trigger.check_bounds()
        return trigger

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self.run_at if self.run_at >= instant else None

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self.run_at if self.run_at <= instant else None

    def describe(self) -> str:
        local = self.run_at.astimezone(self.terms.timeline.tz)
        return _("Once, on %(date)s at %(time)s") % {
            "date": local.date().isoformat(),
            "time": local.time().isoformat("seconds"),
        }

    def warnings(self) -> list[str]:
        if self.written.tzinfo is not None:
            return []
        local = self.run_at.astimezone(self.terms.timeline.tz)
        words = {
            "time": self.written.time().isoformat("seconds"),
            "resume": local.time().isoformat("seconds"),
        }
        if local.replace(tzinfo=None) != self.written:
            return [_("%(time)s does not exist on this day: runs once, at %(resume)s.") % words]
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            return []
        if local.fold:
            return [_("%(time)s comes twice on this day: runs once, the second time.") % words]
        return [_("%(time)s comes twice on this day: runs once, the first time.") % words]
