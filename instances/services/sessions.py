"""The life of a collection: a session with one record for each instance.

    record   pending → running → completed | failed | cancelled;  pending → failed | cancelled
    session  running → completed | partly_failed | failed | cancelled

Every step is a compare-and-set on the state before it; a step that comes too late raises ``WrongState``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max
from django.utils.translation import gettext as _

from instances.exceptions import WrongState
from instances.models import Instance, SyncRecord, SyncSession
from scheduling import clock
from scheduling.models import Execution
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction
from scheduling.text import MESSAGE_BYTES, storable

State = SyncRecord.State
Status = SyncSession.Status

#: A record may move to the key from any of these.
BEFORE: dict[str, tuple[str, ...]] = {
    State.RUNNING: (State.PENDING,),
    State.COMPLETED: (State.RUNNING,),
    State.FAILED: (State.PENDING, State.RUNNING),
    State.CANCELLED: (State.PENDING, State.RUNNING),
}


#: The longest that one instance can take (dialects.options), twice, and some more.
SILENT = timedelta(hours=3)
#: Between the end of an execution and that of its session nothing else happens.
GRACE = timedelta(seconds=60)
#: The states of an execution that somebody works on, or will.
LIVE = ("queued", "waiting", "running")

_LOST = "Whoever worked on this is gone."


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What a collection did to the rows of one instance."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    dropped: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.created + other.created,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.dropped + other.dropped,
        )


def create(
    category: str,
    origin: str,
    instances: Iterable[Instance],
    *,
    actor: Actor,
    execution_id: int | None = None,
    retry_of: SyncSession | None = None,
) -> SyncSession:
    """A running session with a pending record for each instance."""

    def write() -> SyncSession:
        session = SyncSession.objects.create(
            category=category,
            origin=origin,
            created_by_id=actor.user_id,
            execution_id=execution_id,
            started_at=clock.now(),
            retry_of=retry_of,
        )
        records = [SyncRecord(session=session, instance=instance) for instance in instances]
        SyncRecord.objects.bulk_create(records, batch_size=500)
        _count(session)
        return session

    return in_transaction(write)


def request_cancel(session: SyncSession, *, actor: Actor) -> int:
    """Cancels what has not begun; gives how many that were. What is under way ends by itself, and then the session.

    Raises ``WrongState`` for a session that has ended.
    """

    def write() -> int:
        locked = SyncSession.objects.select_for_update().get(pk=session.pk)
        if locked.status != Status.RUNNING:
            label = Status(locked.status).label
            raise WrongState(_("The session has ended already: %(status)s.") % {"status": label})
        now = clock.now()
        pending = SyncRecord.objects.filter(session=session, state=State.PENDING)
        count = pending.update(state=State.CANCELLED, finished_at=now)
        SyncSession.objects.filter(pk=session.pk).update(
            cancel_requested_at=now, cancel_requested_by_id=actor.user_id
        )
        return count

    return in_transaction(write)


def failed_instances(session: SyncSession) -> list[Instance]:
    """The instances of a session that may be visited again: failed, or cancelled, and still collectable."""
    again = SyncRecord.objects.filter(session=session, state__in=(State.FAILED, State.CANCELLED))
    return list(Instance.objects.collectable().filter(pk__in=again.values("instance")))


def close_lost(*, now: datetime) -> list[SyncSession]:
    """Closes running sessions that nobody works on any more, and gives them.

    That is known of one whose execution has ended. One without an execution (made by a page or a command) is lost
    when nothing has happened in it for ``SILENT``, which is longer than any instance may take.
    """
    return [
        session
        for session in SyncSession.objects.filter(status=Status.RUNNING)
        if _close_if_lost(session, now)
    ]


def _close_if_lost(session: SyncSession, now: datetime) -> bool:
    if session.execution_id is not None:
        execution = Execution.objects.filter(pk=session.execution_id).only("state").first()
        if execution is not None and execution.state in LIVE:
            return False
        # A session is made before its execution is over; one that has just ended may be finishing this very moment.
        if session.started_at > now - GRACE:
            return False
    elif _last_sign(session) > now - SILENT:
        return False

    def write() -> bool:
        locked = SyncSession.objects.select_for_update().get(pk=session.pk)
        if locked.status != Status.RUNNING:
            return False
        open_records = SyncRecord.objects.filter(session=session, state__in=(State.PENDING, State.RUNNING))
        open_records.filter(state=State.PENDING).update(state=State.CANCELLED, finished_at=now)
        open_records.update(state=State.FAILED, finished_at=now, error_code="lost", error=_LOST)
        _count(session)
        session.status, session.finished_at = Status.LOST, now
        session.save(update_fields=["status", "finished_at"])
        return True

    return in_transaction(write)


def _last_sign(session: SyncSession) -> datetime:
    ends = SyncRecord.objects.filter(session=session).aggregate(
        begun=Max("started_at"), ended=Max("finished_at")
    )
    return max(moment for moment in (session.started_at, ends["begun"], ends["ended"]) if moment is not None)


def add_record(session: SyncSession, instance: Instance) -> SyncRecord:
    """One more instance in a running session. Raises ``WrongState``."""

    def write() -> SyncRecord:
        locked = SyncSession.objects.select_for_update().get(pk=session.pk)
        if locked.status != Status.RUNNING:
            raise WrongState(f"The session is {locked.status}; instances are added only while it is running.")
        record = SyncRecord.objects.create(session=session, instance=instance)
        _count(session)
        return record

    return in_transaction(write)


def start(record: SyncRecord) -> None:
    _move(record, State.RUNNING, started_at=clock.now())


def complete(record: SyncRecord, counts: RowCounts, details: dict[str, Any] | None = None) -> None:
    _move(
        record, State.COMPLETED, finished_at=clock.now(), details=details or {},
        created=counts.created, updated=counts.updated, unchanged=counts.unchanged, dropped=counts.dropped,
    )  # fmt: skip


def fail(record: SyncRecord, error: str, code: str = "failed") -> None:
    _move(
        record,
        State.FAILED,
        finished_at=clock.now(),
        error=storable(error, MESSAGE_BYTES),
        error_code=code[:40],
    )


def cancel(record: SyncRecord) -> None:
    _move(record, State.CANCELLED, finished_at=clock.now())


def finish(session: SyncSession, *, cancelled: bool = False) -> SyncSession:
    """Ends the session by what became of its records; gives it with its final counts.

    ``cancelled`` ends what has not ended yet. Without it, such a record raises ``WrongState``.
    """

    def write() -> None:
        locked = SyncSession.objects.select_for_update().get(pk=session.pk)
        if locked.status != Status.RUNNING:
            raise WrongState(f"The session is {locked.status} already.")
        open_records = SyncRecord.objects.filter(session=session, state__in=(State.PENDING, State.RUNNING))
        if cancelled:
            open_records.update(state=State.CANCELLED, finished_at=clock.now())
        elif left := open_records.count():
            raise WrongState(f"The session has {left} records that have not ended.")
        _count(session)
        session.status = Status.CANCELLED if cancelled or locked.cancel_requested_at else _outcome(session)
        session.finished_at = clock.now()
        session.save(update_fields=["status", "finished_at"])

    in_transaction(write)
    return session


def _outcome(session: SyncSession) -> str:
    if session.succeeded == session.total:
        return Status.COMPLETED
    if session.succeeded:
        return Status.PARTLY_FAILED
    return Status.FAILED if session.failed else Status.CANCELLED


def _count(session: SyncSession) -> None:
    """Counts from the rows, never by adding up: nothing can drift."""
    rows = SyncRecord.objects.filter(session=session).order_by().values_list("state").annotate(n=Count("pk"))
    states = Counter(dict(rows))
    session.total = states.total()
    session.succeeded = states[State.COMPLETED]
    session.failed = states[State.FAILED]
    session.skipped = states[State.CANCELLED]
    session.save(update_fields=["total", "succeeded", "failed", "skipped"])


def _move(record: SyncRecord, state: str, **values: Any) -> None:
    # The rival is a cancel of the whole session from elsewhere.
    moved = SyncRecord.objects.filter(pk=record.pk, state__in=BEFORE[state]).update(state=state, **values)
    if not moved:
        now = SyncRecord.objects.filter(pk=record.pk).values_list("state", flat=True).first() or "gone"
        raise WrongState(f"The record is {now}; it cannot become {state}.")
    for name, value in {"state": state, **values}.items():
        setattr(record, name, value)
