"""Single moments: one, or a list of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Self

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from . import moments
from .base import Terms, Trigger
from .inputs import PARAMS, mapping, quoted, refusal

MOST_DATES = 1_000
#: Dates named in a description.
SHOWN = 3


class DateTrigger(Trigger):
    """Fires at `run_date`, or at each of `run_dates`. Whether they have passed is for the caller to ask."""

    kind: ClassVar[str] = "date"
    label: ClassVar[object] = gettext_lazy("Once, or on a list of dates")
    keys: ClassVar[tuple[str, ...]] = ("run_date", "run_dates")

    __slots__ = ("instants", "written")

    def __init__(self, written: Mapping[datetime, datetime], terms: Terms) -> None:
        self.written = dict(written)  # instant (UTC) → as the person gave it; naive: in the zone
        self.instants = sorted(written)
        self.terms = terms

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: `run_date`, an ISO text or datetime, or `run_dates`, a list of them; naive ones are in the zone."""
        given = mapping(params, cls.keys)
        if len(given) > 1:
            raise refusal(_("Give either run_date or run_dates, not both."))
        if not given:
            raise refusal(
                _("run_date is missing: the date and time to run at, such as “2027-01-31 03:00:00”.")
            )
        (name,) = given
        values = given[name] if name == "run_dates" else [given[name]]
        if not isinstance(values, list | tuple) or not 1 <= len(values) <= MOST_DATES:
            raise refusal(
                _("run_dates: a list of 1 to %(most)d dates is needed, not %(value)s.")
                % {"most": MOST_DATES, "value": quoted(values)}
            )
        written: dict[datetime, datetime] = {}
        for value in values:
            moment = moments.read(name, value, PARAMS)
            instant = moments.instant(moment, terms.timeline, terms.gap, terms.fold)
            if instant is None:
                text = _(
                    "%(name)s, %(value)s: the clock in %(zone)s skips this time, and so does the policy."
                )
                words = {"name": name, "value": quoted(str(value)), "zone": terms.timeline.name}
                raise refusal(text % words)
            written.setdefault(instant, moment)
        return cls(written, terms)

    def at_or_after(self, instant: datetime) -> datetime | None:
        index = bisect_left(self.instants, instant)
        return self.instants[index] if index < len(self.instants) else None

    def at_or_before(self, instant: datetime) -> datetime | None:
        index = bisect_right(self.instants, instant)
        return self.instants[index - 1] if index else None

    def describe(self) -> str:
        texts = [self._phrase(instant) for instant in self.instants[:SHOWN]]
        if len(self.instants) == 1:
            return _("Once, on %(moment)s") % {"moment": texts[0]}
        listed = _("; ").join(texts)
        rest = len(self.instants) - SHOWN
        if rest <= 0:
            return _("On these dates: %(dates)s") % {"dates": listed}
        return ngettext(
            "On these dates: %(dates)s; and %(count)d more",
            "On these dates: %(dates)s; and %(count)d more",
            rest,
        ) % {"dates": listed, "count": rest}

    def _phrase(self, instant: datetime) -> str:
        local = instant.astimezone(self.terms.timeline.tz)
        return _("%(date)s at %(time)s") % {
            "date": local.date().isoformat(),
            "time": local.time().isoformat("seconds"),
        }

    def warnings(self) -> list[str]:
        return [text for instant in self.instants if (text := self._warning(instant))]

    def _warning(self, instant: datetime) -> str:
        written = self.written[instant]
        if written.tzinfo is not None:
            return ""
        local = instant.astimezone(self.terms.timeline.tz)
        words = {"time": written.time().isoformat("seconds"), "resume": local.time().isoformat("seconds")}
        if local.replace(tzinfo=None) != written:
            return _("%(time)s does not exist on this day: runs once, at %(resume)s.") % words
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            return ""
        if local.fold:
            return _("%(time)s comes twice on this day: runs once, the second time.") % words
        return _("%(time)s comes twice on this day: runs once, the first time.") % words
