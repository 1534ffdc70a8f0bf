"""How late a run was, and on whose account: from the row's own moments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduling.models import Execution

#: Longer than this, and a part is worth a sentence.
NOTABLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds, one after the other; together they lie between the nominal time and the start.

    Of an execution that has been tried again they tell of the last attempt, and ``waiting`` holds the earlier ones.
    """

    admission: float  # until a node saw that it was due and made the row
    waiting: float  # until it was allowed to start: delay, overlap, pause, retry
    claim: float  # until a node had a seat, and its pool room, for it
    # From the claim to the function's first line and from its last to the stored end, together; None: not ended.
    start: float | None


def of(execution: Execution) -> Lateness | None:
    """None while it has not started, and of one that was ended without a start."""
    started = execution.started_at
    if started is None:
        return None
    # Each moment no earlier than the one before: a clock that was set back makes no negative wait.
    admitted = min(max(execution.scheduled_for, execution.admitted_at), started)
    allowed = max(admitted, min(execution.queued_at, started))
    start = None
    if execution.finished_at is not None and execution.run_ms is not None:
        start = max(0.0, round(_between(started, execution.finished_at) - execution.run_ms / 1000, 3))
    return Lateness(
        _between(execution.scheduled_for, admitted),
        _between(admitted, allowed),
        _between(allowed, started),
        start,
    )


def _between(earlier: datetime, later: datetime) -> float:
    return max(0.0, round((later - earlier).total_seconds(), 3))
