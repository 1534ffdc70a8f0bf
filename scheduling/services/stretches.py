"""Which stretch of ids a stretch of time is: executions are numbered as they are admitted, so no index is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scheduling.models import Execution
from scheduling.sql import unions
from scheduling.sql.unions import Walk

#: Transactions that admit at the same moment number their rows in any order; none takes longer than this.
DISORDER = timedelta(seconds=60)
#: Places looked at in one question for each end, and the length at which a stretch of ids is narrow enough.
PROBES = 100
NARROW = 1_000
LONG_AGO, FAR_AHEAD = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(slots=True)
class _Border:
    """Somewhere between two ids, what was admitted before a moment ends."""

    at: datetime
    low: int
    high: int

    def places(self) -> range:
        """Ids to look at next; none when it is narrow enough."""
        step = max(1, (self.high - self.low) // (PROBES + 1))
        return range(self.low + step, self.high, step) if self.high - self.low > NARROW else range(0)

    def learn(self, found: Iterable[tuple[int, datetime]]) -> bool:
        """Whether that made it narrower."""
        before = (self.low, self.high)
        known = [(id, at) for id, at in found if self.low <= id <= self.high]
        self.low = max([self.low, *(id for id, at in known if at < self.at)])
        self.high = min([self.high, *(id for id, at in known if at >= self.at and id > self.low)])
        return (self.low, self.high) != before


def ids_between(since: datetime | None, until: datetime | None) -> tuple[int, int] | None:
    """The first and the last id between which everything lies that was admitted in that time; None: nothing exists.

    Rows at both ends may lie outside: who must be exact asks for ``admitted_at`` as well. One question for the
    ends of the table, and one for each factor of ``PROBES`` in its length.
    """
    rows = Execution.objects.values("id")
    ends = [
        id for (id,) in unions.rows_of([Walk(rows.order_by(way)[:1], "PRIMARY") for way in ("id", "-id")])
    ]
    if not ends:
        return None
    begin = _Border(max(since - DISORDER, LONG_AGO) if since is not None else LONG_AGO, min(ends), max(ends))
    end = _Border(min(until + DISORDER, FAR_AHEAD) if until is not None else FAR_AHEAD, min(ends), max(ends))
    open_borders = [border for border, given in ((begin, since), (end, until)) if given is not None]
    while open_borders:
        found = _probe(sorted({place for border in open_borders for place in border.places()}))
        open_borders = [border for border in open_borders if border.learn(found)]
    return (begin.low if since is not None else min(ends), end.high if until is not None else max(ends))


def _probe(places: list[int]) -> list[tuple[int, datetime]]:
    """The first execution at or after each of those ids."""
    if not places:
        return []
    rows = Execution.objects.order_by("id").values("id", "admitted_at").filter(id__gte=places[0])
    return unions.moments_of(Walk(rows[:1], "PRIMARY"), places)
