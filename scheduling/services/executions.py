"""What is done to executions: cancel and retry, and, while they run, reconcile, logs and progress."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, UUIDField
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.context import Progress
from scheduling.exceptions import Refused
from scheduling.models import ACTIVE, Execution, ExecutionLog, Reason, State
from scheduling.runlog import Drained
from scheduling.sentences import of_runs
from scheduling.services import chains, requests
from scheduling.services.actor import Actor
from scheduling.sql.prepared import Param, Prepared
from scheduling.sql.transactions import in_transaction

#: Rows of one log that are written in one statement.
LOG_BATCH = 200
#: Ids handed to a broker in one go, of each queue.
HANDED_AT_ONCE = 500


def cancel(execution_id: int, *, actor: Actor) -> Execution:
    """Ends what has not started; asks what runs to end, which its node does within 2 s. Returns the row.

    Raises Refused if it has ended already.
    """

    def work() -> None:
        now = clock.refresh()
        execution = Execution.objects.select_for_update().filter(pk=execution_id).first()
        if execution is None:
            raise Refused("execution_missing", _("There is no such execution."))
        if execution.state in (State.WAITING, State.QUEUED):
            who = actor.user.get_username() if actor.user else actor.source
            Execution.objects.filter(pk=execution_id).update(
                state=State.CANCELLED,
                reason=Reason.CANCEL_REQUESTED,
                detail=of_runs.CANCELLED(who=who),
                finished_at=now,
                cancel_requested_at=now,
                cancel_requested_by_id=actor.user_id,
            )
            chains.react([execution_id], now)
        elif execution.state == State.RUNNING:
            Execution.objects.filter(pk=execution_id, cancel_requested_at=None).update(
                cancel_requested_at=now, cancel_requested_by_id=actor.user_id
            )
        else:
            raise Refused(
                "execution_ended",
                _("The execution has ended already (%(state)s).") % {"state": execution.state},
            )

    in_transaction(work)
    return Execution.objects.get(pk=execution_id)


def retry(
    execution_id: int,
    parameters: Mapping[str, Any] | None = None,
    *,
    actor: Actor,
    idempotency_key: str = "",
    force: bool = False,
) -> Execution:
    """Runs an execution again, by hand; returns the row that will run.

    One that has ended keeps its row; a new one that names it (``rerun_of_id``) runs by the task as it is now,
    with the parameters of the old one, or with ``parameters``, which then are all of them. One that waits for
    its own retry is tried at once, and takes no parameters. Raises Refused and ValidationError.
    """

    def hasten() -> Execution | None:
        """Lets a waiting retry go on now; None when there is none."""
        execution = Execution.objects.select_for_update().filter(pk=execution_id).first()
        if execution is None:
            raise Refused("execution_missing", _("There is no such execution."))
        if execution.state not in ACTIVE:
            return None
        if (execution.state, execution.reason) != (State.WAITING, Reason.RETRY) or parameters is not None:
            raise Refused(
                "execution_active",
                _("The execution has not ended yet (%(state)s).") % {"state": execution.state},
            )
        # It has been counted all along, so it takes nobody's place.
        now = clock.refresh()
        execution.state, execution.reason, execution.detail = State.QUEUED, "", ""
        execution.available_at = execution.queued_at = now
        execution.save(update_fields=["state", "reason", "detail", "available_at", "queued_at"])
        return execution

    hastened = in_transaction(hasten)
    if hastened is not None:
        return hastened
    ended = Execution.objects.defer("result", "traceback").get(pk=execution_id)
    return requests.run_again(
        ended, actor=actor, parameters=parameters, idempotency_key=idempotency_key, force=force
    )


def running_on(node_id: uuid.UUID) -> dict[tuple[int, int], str]:
    """What the database says this node runs: (execution, attempt) → the reason why it is asked to end, or ''."""
    return {
        (id, attempt): "" if asked is None else reason or Reason.CANCEL_REQUESTED
        for id, attempt, asked, reason in RUNNING_ON.rows(node=node_id)
    }


RUNNING_ON = Prepared(
    lambda: (
        Execution.objects.active()
        .filter(node_id=Param("node", UUIDField()), state=State.RUNNING)
        .order_by()
        .values_list("id", "attempt", "cancel_requested_at", "reason")
    )
)


def still_running(keys: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those attempts, given as (execution, attempt), that run now, on whichever node."""
    wanted = set(keys)
    rows = Execution.objects.filter(pk__in={id for id, _attempt in wanted}, state=State.RUNNING)
    return wanted.intersection(rows.values_list("pk", "attempt"))


def to_hand_over(queues: Iterable[str], before: datetime) -> list[tuple[int, str, int | None]]:
    """Queued ones for Celery's workers that were not handed over since: (execution, queue, timeout in seconds)."""
    rows = Execution.objects.filter(state=State.QUEUED, executor="celery").filter(
        Q(handed_at=None) | Q(handed_at__lt=before)
    )
    found: list[tuple[int, str, int | None]] = []
    for queue in queues:
        line = rows.filter(queue=queue).order_by("pool_id", "rank", "id")
        found += line.values_list("id", "queue", "timeout_seconds")[:HANDED_AT_ONCE]
    return found


def mark_handed(ids: Iterable[int], now: datetime, before: datetime) -> set[int]:
    """Notes that those are being handed over; returns which: of several nodes one gets each."""
    rows = Execution.objects.filter(pk__in=list(ids), state=State.QUEUED).filter(
        Q(handed_at=None) | Q(handed_at__lt=before)
    )

    def work() -> set[int]:
        held = set(rows.select_for_update(skip_locked=True).values_list("id", flat=True))
        Execution.objects.filter(pk__in=held).update(handed_at=now)
        return held

    return in_transaction(work)


def unmark_handed(ids: Iterable[int]) -> None:
    """They could not be handed over."""
    Execution.objects.filter(pk__in=list(ids), state=State.QUEUED).update(handed_at=None)


def put_back(node_id: uuid.UUID, keys: Iterable[tuple[int, int]], now: datetime) -> int:
    """Queues again what is marked as running on this node, but was never begun by it."""
    moved = 0
    for id, attempt in keys:
        moved += Execution.objects.filter(
            pk=id, attempt=attempt, node_id=node_id, state=State.RUNNING
        ).update(state=State.QUEUED, detail=of_runs.NEVER_BEGAN(), queued_at=now)
    return moved


def mark_overdue(keys: Iterable[tuple[int, int]]) -> None:
    """Says that those runs are past their deadline and have not ended yet."""
    for id, attempt in keys:
        Execution.objects.filter(pk=id, attempt=attempt, state=State.RUNNING).update(overdue=True)


def store_progress(key: tuple[int, int], progress: Progress) -> None:
    Execution.objects.filter(pk=key[0], attempt=key[1], state=State.RUNNING).update(
        progress_done=progress.done, progress_total=progress.total, progress_text=progress.text
    )


def store_log(key: tuple[int, int], drained: Drained) -> None:
    """Writes what a run has said. Doing it twice leaves the same rows."""
    execution_id, attempt = key
    rows = ExecutionLog.objects.filter(execution_id=execution_id, attempt=attempt)
    if drained.stale:
        rows.filter(seq__gte=drained.stale.start, seq__lt=drained.stale.stop).delete()
    rows.filter(seq__in=[chunk.seq for chunk in drained.chunks]).delete()
    ExecutionLog.objects.bulk_create(
        [
            ExecutionLog(
                execution_id=execution_id, attempt=attempt, seq=chunk.seq, at=chunk.at, level=chunk.level,
                text=chunk.text,
            )
            for chunk in drained.chunks
        ],
        batch_size=LOG_BATCH,
    )  # fmt: skip
