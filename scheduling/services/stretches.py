"""Which stretch of ids a stretch of time is: executions are numbered as they are admitted, so no index is needed."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Max, Min

from scheduling.models import Execution
from scheduling.sql import unions

#: Transactions that admit at the same moment number their rows in any order; none takes longer than this.
DISORDER = timedelta(seconds=60)
#: Places looked at in one question, and the length at which a stretch of ids is narrow enough.
PROBES = 32
NARROW = 500


def ids_between(since: datetime | None, until: datetime | None) -> tuple[int, int] | None:
    """The first and the last id between which everything lies that was admitted in that time; None: nothing was.

    Rows at both ends may lie outside: who must be exact asks for ``admitted_at`` as well. A question for the
    ends of the table, and one for each factor of ``PROBES`` in its length.
    """
    ends = Execution.objects.aggregate(first=Min("id"), last=Max("id"))
    first, last = ends["first"], ends["last"]
    if first is None or last is None:
        return None
    low = _last_before(since - DISORDER, first, last) if since is not None else first
    high = _first_after(until + DISORDER, low, last) if until is not None else last
    return low, high


def _last_before(at: datetime, first: int, last: int) -> int:
    """An id before which nothing was admitted at that moment or later; as late as it can cheaply be told."""
    low, high = first, last
    while high - low > NARROW:
        found = _probe(low, high)
        older = [id for id, admitted_at in found if admitted_at < at]
        newer = [id for id, admitted_at in found if admitted_at >= at]
        before = (low, high)
        low = max([low, *older])
        high = min([high, *(id for id in newer if id > low)])
        if (low, high) == before:
            break
    return low


def _first_after(at: datetime, first: int, last: int) -> int:
    """An id after which nothing was admitted before that moment; as early as it can cheaply be told."""
    low, high = first, last
    while high - low > NARROW:
        found = _probe(low, high)
        before = (low, high)
        high = min([high, *(id for id, admitted_at in found if admitted_at > at)])
        low = max([low, *(id for id, admitted_at in found if admitted_at <= at and id < high)])
        if (low, high) == before:
            break
    return high


def _probe(low: int, high: int) -> list[tuple[int, datetime]]:
    """The first execution at or after each of some evenly spaced ids between the two."""
    step = max(1, (high - low) // (PROBES + 1))
    places = range(low + step, high, step)
    rows = Execution.objects.order_by("id").values("id", "admitted_at")
    return unions.moments_of(
        [unions.Walk(rows.filter(id__gte=place, id__lte=high)[:1], "PRIMARY") for place in places]
    )
