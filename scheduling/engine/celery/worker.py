"""What happens in a process of a Celery worker: it is a node with one seat, which runs what it is told to look at."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, TypeVar

from celery import signals
from django.conf import settings
from django.db import Error, connections

from scheduling import clock, context, registry, runlog, sql
from scheduling.context import TIMEOUT, Progress, RunCancelled
from scheduling.engine.heart import Heart
from scheduling.engine.run import run
from scheduling.engine.runs import order_of
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Node, Reason
from scheduling.runlog import RunLog
from scheduling.sentences import of_nodes, of_runs
from scheduling.services import admission, chains, claims, executions, nodes, results
from scheduling.services.results import Result
from scheduling.sql.transactions import drop_connection, in_transaction

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

LOOK_SECONDS = 0.5
#: Pauses between tries while the database is away.
PAUSE_SECONDS = 1.0
#: What a node that others have given up ends with.
DEAD = 70

_queues: list[str] = []
_self: _Self | None = None
_draining = False


@dataclass(slots=True)
class _Self:
    """This process as a node."""

    node_id: uuid.UUID
    heart: Heart


def connect_signals() -> None:
    """Each process that the worker makes is a node from its start to its end."""
    signals.worker_process_init.connect(_begin, weak=False)
    signals.worker_process_shutdown.connect(_end, weak=False)


def take_from(queues: list[str]) -> None:
    """The queues of the worker, for its processes to say."""
    _queues[:] = queues


def grace_seconds() -> float:
    return float(settings.SCHEDULER["kill_grace_seconds"])


def _begin(**_signal: Any) -> None:
    global _self
    runlog.install()
    with contextlib.suppress(Error):
        connections.close_all()
    node = nodes.register(
        clock.refresh(),
        queues=list(_queues),
        functions=registry.functions(),
        seats={"celery": 1},
        lease_seconds=settings.SCHEDULER["lease_seconds"],
        kind=Node.Kind.WORKER,
    )
    nodes.set_state(node.pk, Node.State.ACTIVE, clock.now())
    beat_seconds = settings.SCHEDULER["beat_seconds"]
    heart = Heart(node.pk, beat_seconds=beat_seconds, died=_die, also=lambda: _drain_if_asked(node.pk))
    heart.start()
    _self = _Self(node.pk, heart)
    signal.signal(signal.SIGUSR2, _on_signal)


def _end(**_signal: Any) -> None:
    if _self is None:
        return
    _self.heart.stop()
    node_id = _self.node_id
    try:
        in_transaction(lambda: _end_rows(node_id))
    except Exception as error:  # noqa: BLE001  the others see the beat stop, and do the same for us
        logger.warning("the end of the node was not written", extra={"cause": str(error)})


def _end_rows(node_id: uuid.UUID) -> None:
    now = clock.refresh()
    nodes.release_runs(node_id, now, Reason.NODE_STOPPED, of_runs.NODE_STOPPED())
    nodes.set_state(node_id, Node.State.STOPPED, now)


def _die() -> None:
    """The others have given this node up; its run must not go on. The worker makes a new process."""
    logger.critical("declared dead by another node")
    os._exit(DEAD)


def _drain_if_asked(node_id: uuid.UUID) -> None:
    """One process cannot be told to take no more messages: the whole worker ends, once what runs in it has ended."""
    global _draining
    if _draining or not nodes.is_drain_asked(node_id):
        return
    nodes.set_state(node_id, Node.State.DRAINING, clock.now(), of_nodes.DRAINING())
    _draining = True
    logger.warning("draining: somebody has asked for it", extra={"node": str(node_id)})
    os.kill(os.getppid(), signal.SIGTERM)  # Celery's warm shutdown


def work(execution_id: int) -> None:
    """Runs the execution if it is there to be claimed; otherwise somebody else has, or it need not run any more."""
    if _self is None:
        _insist(_begin)  # the database was away when the process was made, and Celery has swallowed the error
    assert _self is not None  # noqa: S101
    node_id, claim_id = _self.node_id, uuid.uuid4()
    _insist(lambda: in_transaction(lambda: _release_leftovers(node_id)))
    candidate = _insist(lambda: claims.claim_one(node_id, claim_id, execution_id, clock.refresh()))
    if candidate is None:
        return
    now = clock.now()
    order = order_of(candidate, now, node_id, _insist(lambda: chains.upstream_of([candidate.id])))
    log = runlog.open_new()
    attendant = _Attendant(order, log, node_id)
    attendant.start()
    try:
        outcome = run(order, log)
    finally:
        attendant.stop()
    _record(order, outcome, attendant)


def _release_leftovers(node_id: uuid.UUID) -> None:
    """One seat: what still counts as running when the next message comes has ended, and its end was not recorded."""
    if executions.running_on(node_id):
        nodes.release_runs(node_id, clock.refresh(), Reason.NODE_DIED, of_runs.NODE_DIED(node=node_id))


def _record(order: RunOrder, outcome: Outcome, attendant: _Attendant) -> None:
    result = Result(order, outcome, clock.now())

    def write() -> results.Recorded:
        attendant.store()
        return results.record([result], clock.now())

    recorded = _insist(lambda: in_transaction(write))
    attendant.stored()
    _insist(lambda: admission.promote(clock.now(), recorded.task_ids))
    drop_connection()


def _insist(ask: Callable[[], Answer]) -> Answer:
    """Asks again while the database is away: a result is kept as long as this process lives and is not given up."""
    while True:
        try:
            sql.prepare_engine_session()
            return ask()
        except Error as error:
            logger.warning("the database does not answer", extra={"cause": str(error).strip()[:300]})
            drop_connection()
            time.sleep(PAUSE_SECONDS)


class _Attendant(threading.Thread):
    """Beside the run: stores what it says, tells it to end, and, when it does not, ends this process."""

    def __init__(self, order: RunOrder, log: RunLog, node_id: uuid.UUID) -> None:
        super().__init__(name="attendant", daemon=True)
        self._order, self._log, self._node_id = order, log, node_id
        self._stop_asked = threading.Event()
        self._drained = runlog.NOTHING
        self._progress: Progress | None = None
        self._asked_at: float | None = None

    def run(self) -> None:
        try:
            while not self._stop_asked.wait(LOOK_SECONDS):
                try:
                    self._look()
                except Error as error:
                    logger.warning("the database does not answer", extra={"cause": str(error).strip()[:300]})
                    drop_connection()
        finally:
            drop_connection()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(10)

    def store(self) -> None:
        """What the run has said since; to be called in a transaction, and ``stored`` after it."""
        if not self._drained:
            self._drained = self._log.drain()
        if self._drained:
            executions.store_log(self._order.key, self._drained)

    def stored(self) -> None:
        self._drained = runlog.NOTHING

    def _look(self) -> None:
        sql.prepare_engine_session()
        in_transaction(self.store)
        self.stored()
        made = next((each.progress_made for each in context.active_runs()), None)
        if made is not None and made != self._progress:
            executions.store_progress(self._order.key, made)
            self._progress = made
        reason = executions.running_on(self._node_id).get(self._order.key, context.LOST)
        if reason:
            self._ask(reason)
        elif self._order.deadline_at is not None and self._order.deadline_at <= clock.now():
            self._ask(TIMEOUT)
        if self._asked_at is not None and time.monotonic() - self._asked_at > grace_seconds():
            self._give_up(reason or TIMEOUT)

    def _ask(self, reason: str) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            context.cancel(*self._order.key, reason)
            os.kill(os.getpid(), signal.SIGUSR2)  # wakes the main thread from a system call

    def _give_up(self, reason: str) -> None:
        """The run does not end when asked: its end is written, and this process goes, with the run in it."""
        state: Any = "timed_out" if reason == TIMEOUT else "cancelled"
        outcome = Outcome(state, reason, of_runs.KILLED())
        now = clock.now()
        self.store()
        in_transaction(lambda: results.record([Result(self._order, replace(outcome), now)], now))
        with contextlib.suppress(Exception):
            nodes.set_state(self._node_id, Node.State.STOPPED, now)
        logger.error("a run did not end when asked", extra={"execution": self._order.execution_id})
        os.kill(os.getpid(), signal.SIGKILL)


def _on_signal(signum: int, frame: FrameType | None) -> None:
    """In the main thread: ends what the task function is at, as its own check would."""
    for each in list(context.active.values()):  # its lock may be held by what this interrupts
        if each.cancelled:
            raise RunCancelled(*each.cancel_request)
