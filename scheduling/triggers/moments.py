"""Single moments that people write: a run date, a start, an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.utils.translation import gettext as _

from .inputs import quoted, refusal
from .wallclock import WallClock
from .zones import EPOCH, MARGIN_SECONDS, Timeline

#: Years outside are taken for slips of the pen.
YEARS = range(1970, 3000)
TEXT_LENGTH = 64


@dataclass(frozen=True, slots=True)
class SingleWallTime:
    """The pattern that matches one wall-clock second."""

    wall: int

    def at_or_after(self, wall: int) -> int | None:
        return self.wall if self.wall >= wall else None

    def at_or_before(self, wall: int) -> int | None:
        return self.wall if self.wall <= wall else None


def read(name: str, value: object, field: str) -> datetime:
    """A date and time, aware or naive as written: a datetime, a date (its midnight) or an ISO 8601 text.

    Raises InvalidTrigger for ``field``; ``name`` is the key that the message speaks of.
    """
    moment = _moment(value)
    if moment is None:
        raise refusal(
            _("%(name)s: %(value)s is not a date and time such as “2027-01-31 03:00:00”.")
            % {"name": name, "value": quoted(value)},
            field,
        )
    if moment.year not in YEARS:
        raise refusal(
            _("%(name)s: the year %(year)d is not within %(first)d to %(last)d.")
            % {"name": name, "year": moment.year, "first": YEARS[0], "last": YEARS[-1]},
            field,
        )
    return moment


def instant(moment: datetime, timeline: Timeline, gap: str, fold: str) -> datetime | None:
    """The instant (UTC) that a moment means: a naive one is in the zone, by the policies.

    Of a time that happens twice, `both` takes the first. None when the zone's clock skips the time and
    so does the policy.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    since = moment.replace(tzinfo=UTC) - EPOCH
    wall = since.days * 86_400 + since.seconds
    clock = WallClock(SingleWallTime(wall), timeline, gap, "first" if fold == "both" else fold)
    found = clock.first(wall - MARGIN_SECONDS)
    return None if found is None else EPOCH + timedelta(seconds=found, microseconds=since.microseconds)


def bound(name: str, value: object, timeline: Timeline) -> datetime | None:
    """A start, end or anchor in UTC; None stays None. Raises InvalidTrigger for the field ``name``."""
    if value is None:
        return None
    return instant(read(name, value, name), timeline, "run_after", "first")


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if isinstance(value, str) and len(value) <= TEXT_LENGTH:
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    return None
