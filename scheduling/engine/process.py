"""The life of a scheduler process: start, run until asked to stop, drain, end. Its exit code says how it went."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from django.conf import settings
from django.db import Error

from jobsite.memory import keep_what_is_loaded
from scheduling import clock, executors, job_stores, registry, runlog, sql
from scheduling.engine import journal, silence
from scheduling.engine.heart import Heart
from scheduling.engine.jobstore import TaskJobStore, in_turn
from scheduling.engine.recorder import Recorder, isolate
from scheduling.engine.runs import Runs
from scheduling.engine.scheduler import TaskScheduler
from scheduling.engine.state import NodeState
from scheduling.exceptions import NodeIsDead
from scheduling.models import Node, Reason
from scheduling.sentences import of_runs
from scheduling.services import nodes, results
from scheduling.services.results import Recorded, Result
from scheduling.sql.transactions import drop_connection, in_transaction

logger = logging.getLogger(__name__)

#: Exit codes: asked to stop; dead or standing still (start it again); never got going.
STOPPED, DEAD, FAILED = 0, 70, 1

#: A tick that stands still this long ends the process.
STANDSTILL_SECONDS = 30.0
#: After drain: how long runs that were asked to end get.
GRACE_SECONDS = 5.0
#: How often the main thread looks and writes its status file.
LOOK_SECONDS = 1.0
#: Where stacks are written: the file itself, whatever ``sys.stderr`` is.
STDERR = 2


@dataclass(frozen=True, slots=True)
class Options:
    """How a node works. Times in seconds."""

    queues: list[str]
    threads: int
    drain_seconds: float
    poll_seconds: float
    beat_seconds: float
    lease_seconds: float
    once: bool = False  # run what is due and queued now, then end
    processes: int = 8

    @classmethod
    def from_settings(cls, **given: object) -> Options:
        """The settings, overridden by whatever is given and not None."""
        names = (
            "queues",
            "threads",
            "processes",
            "drain_seconds",
            "poll_seconds",
            "beat_seconds",
            "lease_seconds",
        )
        values = {name: settings.SCHEDULER[name] for name in names}
        return cls(**(values | {name: value for name, value in given.items() if value is not None}))


class Process:
    """One node, from start to exit code."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._asked = False  # to stop
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._dead = threading.Event()

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT (or, with ``once``, until nothing is left to do); returns the exit code."""
        runlog.install()
        silence.watch()
        try:
            with silence.bounded():
                node = self._register()
            self._replay_journals()
            with silence.bounded():
                nodes.set_state(node.pk, Node.State.ACTIVE, clock.refresh())
        except Error as error:
            logger.critical("cannot start without the database", extra={"cause": str(error).strip()})
            return FAILED
        drop_connection()  # this thread asks the database nothing more until the end
        state = self._assemble(node)
        self.scheduler = TaskScheduler(state, died=self._die)
        self.scheduler.add_jobstore(TaskJobStore(), job_stores.OWN)
        for name in job_stores.named():
            self.scheduler.add_jobstore(in_turn(job_stores.build(name)), name)
        self._heart = heart = Heart(node.pk, beat_seconds=self.options.beat_seconds, died=self._die)
        heart.start()
        keep_what_is_loaded()
        self.scheduler.start()
        logger.info(
            "scheduler started",
            extra={
                "node": str(node.pk),
                "queues": ",".join(self.options.queues),
                "threads": self.options.threads,
                "processes": self.options.processes,
            },
        )
        code = self._wait(state)
        if code == STOPPED:
            code = self._drain(state)
        heart.stop()
        if code == STOPPED:
            logger.info("scheduler stopped", extra={"node": str(node.pk)})
        self._write_status(state, "stopped" if code == STOPPED else "dead")
        return code

    def ask_to_stop(self, signum: int = signal.SIGTERM, _frame: FrameType | None = None) -> None:
        """Begins the drain; a second time ends it at once.

        A signal calls this in the midst of the main thread's own wait: an Event's lock might be held by it.
        """
        if self._asked:
            self._dead.set()
        self._asked = True
        self._wake.put(None)

    def _asked_within(self, seconds: float) -> bool:
        if not self._asked:
            with suppress(Empty):
                self._wake.get(timeout=seconds)
        return self._asked

    # --- start

    def _register(self) -> Node:
        node = nodes.register(
            clock.refresh(),
            queues=self.options.queues,
            functions=registry.functions(),
            seats=self._seats(),
            lease_seconds=self.options.lease_seconds,
        )
        nodes.forget_old(clock.now())
        return node

    def _seats(self) -> dict[str, int]:
        """How many runs it has at the same time, by executor. What others claim and run (celery) has no seat here."""
        own = dict.fromkeys(("process", "command"), self.options.processes)
        own["asyncio"] = settings.SCHEDULER["coroutines"]
        names = [name for name in executors.paths() if not executors.executor_class(name).is_remote]
        return {name: own.get(name, self.options.threads) for name in names}

    def _assemble(self, node: Node) -> NodeState:
        recorder = Recorder()
        runs = Runs(
            node.pk,
            self.options.threads,
            recorder,
            ended=lambda: self.scheduler.run_ended(),
            seats_of=node.seats,
        )
        return NodeState(node.pk, self.options.queues, self.options.poll_seconds, runs, recorder)

    def _replay_journals(self) -> None:
        for path, left in journal.read():
            recorded = isolate(left, self._record)
            logger.info(
                "journal played back", extra={"results": len(left), "accepted": len(recorded.accepted)}
            )
            path.unlink(missing_ok=True)  # another node may have played it back at the same time

    def _record(self, part: list[Result]) -> Recorded:
        with silence.bounded():
            return in_transaction(lambda: results.record(part, clock.now()))

    def _die(self) -> None:
        self._dead.set()

    # --- run

    def _wait(self, state: NodeState) -> int:
        """Until asked to stop, or until something is wrong that only a new process mends."""
        while not self._asked_within(LOOK_SECONDS):
            if self._is_broken(state, "running"):
                return DEAD
            if self.options.once and self._is_done(state):
                break
            if state.drain_asked and not state.runs.running() and not len(state.recorder):
                break
        return STOPPED

    def _is_broken(self, state: NodeState, word: str) -> bool:
        """Whether something is wrong that only a new process mends. If so what runs is given up; if not, the status
        is written, with that word.
        """
        why = self._fault(state)
        if why:
            self._abandon(state, why)
        else:
            self._write_status(state, word)
        return bool(why)

    def _fault(self, state: NodeState) -> str:
        if self._dead.is_set():
            return "declared dead by another node"
        if self.scheduler.has_died:
            return "the tick has died"
        still = time.monotonic() - state.last_tick
        if still > STANDSTILL_SECONDS:
            faulthandler.dump_traceback(STDERR)  # where it stands is not known afterwards
            return f"the tick has stood still for {still:.0f} s"
        return ""

    def _abandon(self, state: NodeState, why: str) -> None:
        logger.critical("scheduler ends", extra={"cause": why})
        for key in state.runs.running():
            state.runs.cancel(key, "lost", why)

    def _is_done(self, state: NodeState) -> bool:
        """Asked in the order in which work goes on its way, so that nothing slips from one place to the next unseen."""
        moving = state.runs.running() or len(state.recorder) or self.scheduler.has_news
        return not moving and state.idle_ticks > 1

    # --- end

    def _drain(self, state: NodeState) -> int:
        """Claims stop; runs get time, then are asked to end, then are given up; results are stored. Then exit."""
        state.draining, state.claiming = True, False
        logger.info(
            "draining", extra={"runs": len(state.runs.running()), "seconds": self.options.drain_seconds}
        )
        self._try("drain", lambda: nodes.set_state(state.node_id, Node.State.DRAINING, clock.now()))
        self._await_runs(state, self.options.drain_seconds)
        for key in state.runs.running():
            state.runs.cancel(key, Reason.NODE_STOPPED, of_runs.NODE_STOPS())
        self._await_runs(state, GRACE_SECONDS)
        self._await_stored(state, GRACE_SECONDS)
        if self._dead.is_set():
            return DEAD
        self.scheduler.shutdown(wait=False)
        left = state.recorder.unstored()
        if left:
            # The rows stay as they are: they are the journal's to end, or the next watcher's to give up.
            if not self._keep_in_journal(state, left):
                self._dead.set()
        else:
            self._heart.stop()  # or it would find its row ended, and take that for the others' verdict
            self._try("end", lambda: self._end_rows(state))
        drop_connection()
        return DEAD if self._dead.is_set() else STOPPED

    def _keep_in_journal(self, state: NodeState, left: list[Result]) -> bool:
        """Whether it could: the disk may be full as well as the database away. Then the others give the runs up."""
        try:
            path = journal.write(state.node_id, left)
        except OSError as error:
            logger.critical("results cannot be kept", extra={"results": len(left), "cause": str(error)})
            return False
        logger.warning("results kept in a journal", extra={"results": len(left), "path": str(path)})
        return True

    def _end_rows(self, state: NodeState) -> None:
        """Gives up what still runs and says that the node has ended."""
        now = clock.refresh()

        def work() -> None:
            nodes.release_runs(state.node_id, now, Reason.NODE_STOPPED, of_runs.NODE_STOPPED())
            nodes.store_events(state.node_id, dict(state.events))
            nodes.set_state(state.node_id, Node.State.STOPPED, now)

        in_transaction(work)

    def _try(self, what: str, call: Callable[[], None]) -> None:
        try:
            with silence.bounded():
                sql.prepare_engine_session()
                call()
        except NodeIsDead:
            self._dead.set()
        except Error as error:
            # The others see the beat stop and do the same for us.
            logger.warning(f"the database did not take the {what}", extra={"cause": str(error).strip()[:300]})

    def _await_runs(self, state: NodeState, seconds: float) -> None:
        self._await(state, lambda: not state.runs.running(), seconds)

    def _await_stored(self, state: NodeState, seconds: float) -> None:
        self._await(state, lambda: not len(state.recorder), seconds)

    def _await(self, state: NodeState, done: Callable[[], bool], seconds: float) -> None:
        """Watches meanwhile as ever: whatever breaks ends the wait, as a second signal does."""
        at = look = time.monotonic()
        end = at + seconds
        while not done() and at < end and not self._dead.is_set():
            if at >= look:
                look = at + LOOK_SECONDS
                if self._is_broken(state, "draining"):
                    self._dead.set()
            time.sleep(0.05)
            at = time.monotonic()

    # --- what a probe on this machine reads

    def _write_status(self, state: NodeState, word: str) -> None:
        path = status_path(state.node_id)
        running = state.runs.running()
        entry = {
            "node": str(state.node_id),
            "pid": os.getpid(),
            "state": word,
            "at": time.time(),
            "last_tick_seconds_ago": round(time.monotonic() - state.last_tick, 1),
            "last_commit_seconds_ago": round(time.monotonic() - state.last_commit, 1),
            "running": len(running),
            "seats": {
                name: {"used": sum(order.executor == name for order in running.values()), "total": total}
                for name, total in self._seats().items()
            },
            "unstored_results": len(state.recorder),
            "trouble": state.trouble,
        }
        try:
            if word == "stopped":
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(entry))
            draft.replace(path)
        except OSError as error:
            logger.warning("status file cannot be written", extra={"cause": str(error)})


def status_path(node_id: object) -> Path:
    return Path(settings.VAR_DIR) / "nodes" / f"{node_id}.json"


def main(options: Options) -> int:
    """Runs a node in this process, stopped by SIGTERM and SIGINT; returns the exit code.

    SIGUSR1 writes to standard error where each thread is, and disturbs nothing.
    """
    process = Process(options)
    faulthandler.register(signal.SIGUSR1, STDERR)
    signal.signal(signal.SIGTERM, process.ask_to_stop)
    signal.signal(signal.SIGINT, process.ask_to_stop)
    return process.run()
