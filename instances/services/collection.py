"""Visits many instances side by side. Threads only talk to servers; every row is written by the calling
thread, and no transaction is open while a server is asked.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.conf import settings
from django.db import DatabaseError

from instances.dialects.base import Dialect
from instances.dialects.readings import AccountsReading, SizesReading
from instances.dialects.target import ConnectionTarget
from instances.exceptions import WrongState
from instances.models import Instance, SyncRecord, SyncSession
from instances.services import accounts, sessions, sizes, visits
from instances.services.accounts import LeaveOut
from instances.services.sessions import RowCounts
from scheduling import clock
from scheduling.context import RunCancelled, current_run
from scheduling.services.actor import SYSTEM, Actor

logger = logging.getLogger(__name__)

Reading = TypeVar("Reading", bound=SizesReading | AccountsReading)

#: How often a collection that waits for servers looks whether it is cancelled.
LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Kind(Generic[Reading]):
    """One kind of collection: what to ask a server, and how to keep the answer."""

    category: str
    ask: Callable[[Dialect, ConnectionTarget], Reading]
    save: Callable[[SyncRecord, Reading], RowCounts]


def _save_sizes(record: SyncRecord, reading: SizesReading) -> RowCounts:
    return sizes.save(record.instance, reading, now=clock.now())


SIZES: Kind[SizesReading] = Kind(
    category=SyncSession.Category.SIZE,
    ask=lambda dialect, target: dialect.database_sizes(target),
    save=_save_sizes,
)


def accounts_kind(leave_out: LeaveOut) -> Kind[AccountsReading]:
    """Accounts and their rights, but for those of these names and patterns."""

    def save(record: SyncRecord, reading: AccountsReading) -> RowCounts:
        now = clock.now()
        return accounts.save(record.instance, reading, session=record.session, now=now, leave_out=leave_out)

    return Kind(
        category=SyncSession.Category.ACCOUNT, ask=lambda dialect, target: dialect.accounts(target), save=save
    )


def collect(
    kind: Kind[Reading],
    instances: list[Instance],
    *,
    origin: str,
    actor: Actor = SYSTEM,
    execution_id: int | None = None,
    retry_of: SyncSession | None = None,
) -> SyncSession:
    """Visits the instances, at most ``JOBSITE_SYNC_PARALLEL`` at a time; gives the session as it ended.

    One instance's failure is its own record's. Between instances the current run is asked whether it should
    end: then what is under way is still recorded (each visit ends by its own timeouts), the rest is
    cancelled, and ``RunCancelled`` goes on. Call it outside a transaction.
    """
    session = sessions.create(
        kind.category, origin, instances, actor=actor, execution_id=execution_id, retry_of=retry_of
    )
    return Collection(kind, session).run()


class Collection(Generic[Reading]):
    """One session being worked through, by one thread."""

    def __init__(self, kind: Kind[Reading], session: SyncSession) -> None:
        self._kind = kind
        self._session = session
        self._done = 0
        self._under_way: dict[Future[Reading], SyncRecord] = {}

    def run(self) -> SyncSession:
        ended = False
        parallel = max(1, min(settings.JOBSITE_SYNC_PARALLEL, self._session.total))
        try:
            with ThreadPoolExecutor(parallel, thread_name_prefix="visit") as pool:
                self._visit_all(pool, parallel)
            ended = True
        finally:
            try:
                sessions.finish(self._session, cancelled=not ended)
            except WrongState:  # somebody took us for dead and has closed it
                self._session.refresh_from_db()
            self._log("session ended", status=self._session.status)
        return self._session

    def _visit_all(self, pool: ThreadPoolExecutor, parallel: int) -> None:
        waiting = self._records()
        run = current_run()
        try:
            while self._fill(pool, waiting, parallel) or self._under_way:
                self._take_finished()
                run.progress(self._done, self._session.total)
        except RunCancelled:
            while self._under_way:
                self._take_finished()
            raise

    def _records(self) -> Iterator[SyncRecord]:
        records = SyncRecord.objects.filter(session=self._session).select_related(
            "instance__credential", "session"
        )
        # By ids first: a cursor held open over the visits would be a transaction held open on PostgreSQL.
        for pk in list(records.order_by("pk").values_list("pk", flat=True)):
            yield records.get(pk=pk)

    def _fill(self, pool: ThreadPoolExecutor, waiting: Iterator[SyncRecord], parallel: int) -> bool:
        """Starts visits until all threads are busy; gives whether one was started."""
        started = False
        while len(self._under_way) < parallel and (record := next(waiting, None)) is not None:
            started = True
            try:
                sessions.start(record)
            except WrongState:  # cancelled before it began
                self._done += 1
                continue
            try:
                target = record.instance.target()
                dialect = record.instance.kind
            except visits.FAILURES as error:
                self._failed(record, error)
                continue
            # A copy of the context for each, so that what a visit logs lands in the run's log.
            job = contextvars.copy_context()
            self._under_way[pool.submit(job.run, self._kind.ask, dialect, target)] = record
        return started

    def _take_finished(self) -> None:
        finished, _waiting = wait(self._under_way, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in finished:
            record = self._under_way.pop(future)
            error = future.exception()
            if error is None:
                self._succeeded(record, future.result())
            else:
                self._failed(record, error)

    def _succeeded(self, record: SyncRecord, reading: Reading) -> None:
        try:
            counts = self._kind.save(record, reading)
        except (*visits.FAILURES, DatabaseError) as error:
            self._failed(record, error)  # what one server said cannot be kept: its own failure
            return
        visits.succeeded(record.instance, reading.server)
        self._done += 1
        details = {"notes": list(reading.notes), "latency_ms": reading.server.latency_ms}
        with contextlib.suppress(WrongState):  # the session was closed meanwhile; what was read is kept
            sessions.complete(record, counts, details)
        self._log("instance collected", record, rows_created=counts.created, rows_updated=counts.updated)

    def _failed(self, record: SyncRecord, error: BaseException) -> None:
        text = visits.sentence(error)
        with contextlib.suppress(WrongState):
            sessions.fail(record, text, visits.code(error))
        visits.failed(record.instance, error)
        self._done += 1
        mistake = None if isinstance(error, visits.FAILURES) else error
        self._log(f"instance failed: {text}", record, level=logging.ERROR, exc_info=mistake)

    def _log(
        self, message: str, record: SyncRecord | None = None, *, level: int = logging.INFO,
        exc_info: BaseException | None = None, **extra: object,
    ) -> None:  # fmt: skip
        extra |= {"session_id": str(self._session.pk), "category": self._session.category}
        if record is not None:
            extra |= {"instance_id": record.instance_id, "instance": record.instance.name}
            message = f"{record.instance.name}: {message}"
        logger.log(level, "%s", message, exc_info=exc_info, extra=extra)
