"""Overlap policy ``replace``: a new occurrence takes the place of the older runs of its task."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from scheduling.models import Execution, Origin, Reason, State
from scheduling.sentences import of_runs


def make_way(task_id: int, places: int, now: datetime) -> None:
    """Ends what has not begun and asks the oldest of what runs to end, so that ``places`` become free.

    The caller holds the task's live row. What somebody else has locked at this moment, a claim or a result, is
    left alone (waiting for it while they wait for the live row would be a deadlock): the sweep comes again.
    """
    rows = Execution.objects.active().filter(task_id=task_id).order_by("id")
    queued = rows.filter(state=State.QUEUED, origin=Origin.SCHEDULE).select_for_update(skip_locked=True)
    ids = list(queued.values_list("id", flat=True)[:places])
    cancel(ids, now)
    places -= len(ids)
    places -= rows.filter(state=State.RUNNING, cancel_requested_at__isnull=False).count()
    if places > 0:
        running = rows.filter(state=State.RUNNING, cancel_requested_at=None)
        held = list(running.select_for_update(skip_locked=True).values_list("id", flat=True)[:places])
        Execution.objects.filter(pk__in=held, state=State.RUNNING).update(
            cancel_requested_at=now, reason=Reason.REPLACED
        )


def cancel_waiting(task_id: int, now: datetime) -> None:
    """Ends the scheduled ones that wait for their turn: a newer one is about to wait in their place."""
    waiting = Execution.objects.active().filter(
        task_id=task_id, state=State.WAITING, reason=Reason.OVERLAP, origin=Origin.SCHEDULE
    )
    cancel(list(waiting.select_for_update(skip_locked=True).values_list("id", flat=True)), now)


def cancel(ids: Iterable[int], now: datetime) -> None:
    Execution.objects.filter(pk__in=list(ids), state__in=(State.WAITING, State.QUEUED)).update(
        state=State.CANCELLED, reason=Reason.REPLACED, detail=of_runs.REPLACED(), finished_at=now
    )
