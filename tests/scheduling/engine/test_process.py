"""The life of a node, in a thread of the tests: what it does about runs that do not listen, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from pytest import MonkeyPatch

from scheduling import clock, registry
from scheduling.context import current_run
from scheduling.engine import process as process_module
from scheduling.engine import silence
from scheduling.engine.process import DEAD, FAILED, STOPPED, Options, Process, status_path
from scheduling.models import Execution, ExecutionLog, Node
from scheduling.registry import Registry, task
from scheduling.services import admission, dependencies, executions, nodes, results, tasks
from scheduling.services.results import Recorded
from tests.conftest import TESTER, await_, new_task
from tests.own_server import instead
from tests.proxy import Proxy
from tests.scheduling.engine.conftest import YEARLY

logger = logging.getLogger(__name__)


class Running:
    """A node in a thread; ``let_go`` ends the runs that listen to nobody else."""

    def __init__(self, **options: Any) -> None:
        values = {
            "queues": ["default"], "threads": 4, "drain_seconds": 0.2, "poll_seconds": 0.05,
            "beat_seconds": 0.5, "lease_seconds": 15.0,
        }  # fmt: skip
        self.process = Process(Options(**values | options))
        self.code: int | None = None
        self.let_go = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.code = self.process.run()
        finally:
            connections.close_all()

    def start(self) -> None:
        self._thread.start()
        await_(
            lambda: (
                (Node.objects.filter(state="active") and hasattr(self.process, "scheduler"))
                or self.code is not None
            ),
            what="the node is active",
        )

    def end(self, seconds: float = 30) -> int | None:
        """Its exit code, once it has one."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the node does not end"
        return self.code

    def stop(self) -> int | None:
        self.process.ask_to_stop()
        return self.end()

    def leave(self) -> None:
        """What the end of the process does for one that has ended itself: nothing of it goes on."""
        self.let_go.set()
        if self._thread.is_alive():
            self.stop()
        scheduler = getattr(self.process, "scheduler", None)
        if scheduler is not None and scheduler.running:
            scheduler.shutdown(wait=False)


@pytest.fixture
def node(
    transactional_db: None, settings: Any, tmp_path: Path, monkeypatch: MonkeyPatch
) -> Iterator[Running]:
    """Not started yet; with two functions beside those of the product's: ``stubborn`` and ``talk``."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(process_module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(process_module, "GRACE_SECONDS", 0.5)
    made = Running()
    with registry.use(Registry()):

        @task("Listen to nobody")
        def stubborn() -> str:
            made.let_go.wait(60)
            return "done"

        @task("Sleep and listen")
        def listen() -> None:
            current_run().sleep(60)

        @task("Await, and catch the cancel", executor="asyncio")
        async def deaf() -> None:
            while not made.let_go.is_set():
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)

        @task("Talk")
        def talk() -> None:
            run = current_run()
            for number in range(3):
                logger.warning("standard %d", number)
                run.log(f"own {number}")
            run.progress(2, 3, "two of three")
            made.let_go.wait(60)
            run.log("the end")

        @task("Count rows")
        def count() -> dict[str, int]:
            return {"rows": 3}

        @task("Say what ran before")
        def heir() -> Any:
            return dict(current_run().upstream)

        @task("Say what ran before, in the loop", executor="asyncio")
        async def heir_in_the_loop() -> Any:
            return dict(current_run().upstream)

        yield made
        made.leave()


def ask(function: str, key: str = "task", **values: Any) -> Execution:
    made = tasks.create(new_task(key, function=function, **YEARLY | values), actor=TESTER)
    return tasks.run_now(made.pk, actor=TESTER)


def row(execution: Execution) -> Execution:
    return Execution.objects.get(pk=execution.pk)


def await_state(execution: Execution, state: str, seconds: float = 20) -> Execution:
    await_(lambda: row(execution).state == state, seconds, f"{execution} becomes {state}")
    return row(execution)


# --- runs after others


@pytest.mark.parametrize("function", ["heir", "heir_in_the_loop"])
def test_a_function_reads_the_results_of_what_it_runs_after(node: Running, function: str) -> None:
    first = ask("count", key="first")
    executor = "asyncio" if "loop" in function else "thread"
    after = tasks.create(new_task("after", function=function, executor=executor, **YEARLY), actor=TESTER)
    dependencies.save(after.pk, {first.task_id: "success"}, actor=TESTER)
    node.start()
    await_(lambda: Execution.objects.filter(task=after, state="succeeded"), what="it has run")
    told = {"execution_id": first.pk, "state": "succeeded", "result": {"rows": 3}}
    assert Execution.objects.get(task=after).result == {"first": told}


# --- runs that go on


def test_a_run_that_ignores_the_drain_is_given_up(node: Running) -> None:
    """Design, "drain": 30 s, then it is asked, 5 s later it is lost(node_stopped), and the node ends with 0."""
    execution = ask("stubborn")
    node.start()
    await_state(execution, "running")
    assert node.stop() == STOPPED
    assert (row(execution).state, row(execution).reason) == ("lost", "node_stopped")
    assert Node.objects.get().state == "stopped"


def test_what_may_run_twice_is_left_to_the_next_node(node: Running) -> None:
    """P4: lost to the drain, queued again, and the attempt is kept."""
    execution = ask("stubborn", rerun_if_lost=True)
    node.start()
    await_state(execution, "running")
    assert node.stop() == STOPPED
    assert row(execution).state == "queued"
    assert list(execution.attempts.values_list("attempt", "state", "reason")) == [(1, "lost", "node_stopped")]


def test_an_overdue_run_keeps_its_seat_and_its_slot_until_it_returns(node: Running) -> None:
    """Pain 18, design "thread runs"."""
    execution = ask("stubborn", timeout_seconds=1)
    node.start()
    await_(lambda: row(execution).overdue, what="it is overdue")
    behind = tasks.run_now(execution.task_id, actor=TESTER)
    assert (row(execution).state, behind.state) == ("running", "waiting")
    node.let_go.set()
    ended = await_state(execution, "timed_out")
    assert (ended.reason, ended.attempt) == ("timeout", 1)
    await_state(behind, "succeeded")


def test_a_node_full_of_overdue_runs_claims_nothing_and_says_so(node: Running) -> None:
    for number in range(3):
        ask("stubborn", key=f"stubborn-{number}", timeout_seconds=1)
    node.start()
    await_(lambda: "overdue" in Node.objects.get().detail, what="it says so")
    later = ask("talk", key="later")
    time.sleep(0.5)  # nothing can be awaited: nothing must happen
    assert row(later).state == "queued"
    node.let_go.set()
    await_state(later, "succeeded")
    await_(lambda: Node.objects.get().detail == "", what="it takes that back")


def test_overdue_runs_are_held_against_the_seats_of_their_executor(node: Running, settings: Any) -> None:
    """Three are over half of its four threads, but not of its seven coroutines."""
    settings.SCHEDULER = settings.SCHEDULER | {"coroutines": 7}
    for number in range(3):
        ask("deaf", key=f"deaf-{number}", executor="asyncio", timeout_seconds=1)
    node.start()
    await_(lambda: Execution.objects.filter(overdue=True).count() == 3, what="they are overdue")
    await_state(ask("listen", key="listener", timeout_seconds=1), "timed_out")
    assert Node.objects.get().detail == ""
    ask("deaf", key="deaf-3", executor="asyncio", timeout_seconds=1)
    sentence = "claims nothing: 4 overdue runs hold its seats for asyncio"
    await_(lambda: Node.objects.get().detail == sentence, what="it says so")


def test_cancel_reaches_a_run_within_two_seconds(node: Running) -> None:
    execution = ask("listen")
    node.start()
    await_state(execution, "running")
    executions.cancel(execution.pk, actor=TESTER)
    ended = await_state(execution, "cancelled")
    assert ended.finished_at is not None
    assert ended.cancel_requested_at is not None
    assert (ended.finished_at - ended.cancel_requested_at).total_seconds() <= 2


def test_what_a_run_says_is_seen_while_it_runs_and_stays_in_order(node: Running) -> None:
    """``logging`` and the run's own log land in one place."""
    execution = ask("talk")
    node.start()
    await_(lambda: row(execution).progress_done == 2, what="progress is seen")
    await_(lambda: "own 2" in said(execution), what="the log is seen")
    assert (row(execution).state, row(execution).progress_total) == ("running", 3)
    assert row(execution).progress_text == "two of three"
    node.let_go.set()
    await_state(execution, "succeeded")
    words = [f"{kind} {number}" for number in range(3) for kind in ("standard", "own")]
    lines = said(execution).splitlines()
    assert [line.removeprefix(f"{__name__}: ") for line in lines] == [*words, "the end"]
    chunks = list(ExecutionLog.objects.filter(execution=execution).order_by("seq"))
    assert [chunk.at for chunk in chunks] == sorted(chunk.at for chunk in chunks)
    assert {chunk.level for chunk in chunks} == {"WARNING", "INFO"}


def said(execution: Execution) -> str:
    chunks = ExecutionLog.objects.filter(execution=execution).order_by("seq")
    return "\n".join(chunks.values_list("text", flat=True))


# --- how it ends


def test_a_second_request_to_stop_ends_it_at_once(node: Running) -> None:
    node.process.options = Options(["default"], 4, 60.0, 0.05, 0.5, 15.0)
    execution = ask("stubborn")
    node.start()
    await_state(execution, "running")
    node.process.ask_to_stop()
    await_(lambda: Node.objects.get().state == "draining", what="it drains")
    node.process.ask_to_stop()
    assert node.end(5) == DEAD
    assert row(execution).state == "running", "it is the other nodes' to give up"


def test_a_slow_end_is_no_death(node: Running, monkeypatch: MonkeyPatch) -> None:
    """P2: whoever has ended its own row is not given up, however long the answer to that takes."""
    node.process.options = Options(["default"], 4, 5.0, 0.05, 0.05, 15.0)
    end_rows = node.process._end_rows

    def slowly(state: Any) -> None:
        end_rows(state)
        time.sleep(0.5)  # ten beats

    monkeypatch.setattr(node.process, "_end_rows", slowly)
    node.start()
    assert node.stop() == STOPPED
    assert Node.objects.get().state == "stopped"


def test_a_node_that_others_have_given_up_ends_itself(node: Running) -> None:
    """P2, pain 11: with 70, without writing anything more; its runs are told."""
    execution = ask("listen")
    node.start()
    await_state(execution, "running")
    dead = Node.objects.get()
    await_(
        lambda: nodes.declare_dead(dead.pk, Node.objects.get().beat, clock.refresh()) is not None,
        what="between two beats it is declared dead",
    )
    assert node.end() == DEAD
    assert (row(execution).state, row(execution).reason) == ("lost", "node_died")
    assert Node.objects.get().state == "dead"


def test_a_tick_that_stands_still_ends_the_process(
    node: Running, monkeypatch: MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pain 43: never alive but silent; and where it stood is told."""
    stuck = threading.Event()
    node.start()
    monkeypatch.setattr(process_module, "STANDSTILL_SECONDS", 0.5)
    monkeypatch.setattr(admission, "tasks_waiting", lambda *_a, **_k: stuck.wait(30) and [])
    assert node.end() == DEAD
    stuck.set()
    told = capfd.readouterr().err
    assert "in _tick\n" in told
    assert "in _main_loop\n" in told


def test_a_tick_that_stands_still_ends_a_drain_too(node: Running, monkeypatch: MonkeyPatch) -> None:
    node.process.options = replace(node.process.options, drain_seconds=600)
    stuck = threading.Event()
    ask("stubborn")
    node.start()
    await_(lambda: Execution.objects.filter(state="running"), what="it runs")
    node.process.ask_to_stop()
    await_(lambda: Node.objects.filter(state="draining"), what="it drains")
    monkeypatch.setattr(process_module, "STANDSTILL_SECONDS", 0.5)
    monkeypatch.setattr(admission, "tasks_waiting", lambda *_a, **_k: stuck.wait(30) and [])
    assert node.end() == DEAD
    stuck.set()


def test_a_node_that_drains_says_so_and_is_healthy(node: Running, capsys: pytest.CaptureFixture[str]) -> None:
    node.process.options = replace(node.process.options, drain_seconds=600)
    execution = ask("stubborn")
    node.start()
    await_state(execution, "running")
    node.process.ask_to_stop()

    path = status_path(Node.objects.get().pk)

    def said() -> Any:
        return json.loads(path.read_text())

    await_(lambda: path.exists() and said()["state"] == "draining", what="its status says so")
    first = said()["at"]
    await_(lambda: said()["at"] > first, what="its status is kept fresh")
    call_command("health", "--node")
    assert ": draining, tick 0 s ago" in capsys.readouterr().out
    node.let_go.set()
    assert node.end() == STOPPED


def test_results_that_are_stored_no_more_end_the_process(node: Running, monkeypatch: MonkeyPatch) -> None:
    """Pain 43: also where they are stored beside the tick, which goes on."""
    stuck = threading.Event()
    node.start()
    monkeypatch.setattr(process_module, "STANDSTILL_SECONDS", 0.5)
    monkeypatch.setattr(results, "record", lambda *_a: stuck.wait(30) and Recorded())
    node.let_go.set()
    ask("stubborn")
    assert node.end() == DEAD
    stuck.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_beside_the_tick_that_dies_ends_the_process(node: Running, monkeypatch: MonkeyPatch) -> None:
    """Pain 6: results that nobody would store any more."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time: the tick stores them")

    def fall(*_args: object) -> Recorded:
        raise SystemExit

    monkeypatch.setattr(results, "record", fall)
    node.start()
    node.let_go.set()
    ask("stubborn")
    assert node.end() == DEAD


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_tick_that_dies_ends_the_process(node: Running, monkeypatch: MonkeyPatch) -> None:
    """Pain 6: what no ``except`` catches kills the thread, and that is noticed."""

    def fall(_error: Exception) -> float:
        raise SystemExit

    node.start()
    monkeypatch.setattr(node.process.scheduler, "_after_trouble", fall)
    monkeypatch.setattr(node.process.scheduler, "_tick", lambda: 1 / 0)
    assert node.end() == DEAD


def test_a_database_that_refuses_at_the_start_is_said(
    node: Running, monkeypatch: MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_args: Any, **_values: Any) -> Node:
        raise OperationalError("connection refused")

    monkeypatch.setattr(nodes, "register", refuse)
    node.start()
    assert node.end() == FAILED
    assert "cannot start" in caplog.text


@pytest.mark.parametrize("words", [0, 6], ids=["at once", "in the midst"])
def test_a_database_that_says_nothing_at_the_start_ends_it(
    node: Running, monkeypatch: MonkeyPatch, caplog: pytest.LogCaptureFixture, words: int
) -> None:
    """Pain 43: with 1 and the reason, when the server has been silent for as long as it may (25 s; here one)."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server")
    monkeypatch.setattr(silence, "LONGEST_SECONDS", 1.0)
    monkeypatch.setattr(silence, "LOOK_SECONDS", 0.1)
    where = connection.settings_dict
    short = {"connect_timeout": 2} | (
        {"read_timeout": 1} if connection.vendor == "mysql" else {"sslmode": "disable"}
    )
    default = 5432 if connection.vendor == "postgresql" else 3306
    with Proxy(where["HOST"], int(where["PORT"] or default)) as proxy:
        proxy.silence_after(words)
        with instead(HOST="127.0.0.1", PORT=str(proxy.port), OPTIONS=where["OPTIONS"] | short):
            node._thread.start()
            assert node.end(20) == FAILED
    assert "cannot start without the database" in caplog.text


def test_the_status_file_tells_of_the_node_while_it_runs(node: Running) -> None:
    node.start()
    path = status_path(Node.objects.get().pk)
    await_(path.exists, what="the status file is there")
    status = json.loads(path.read_text())
    assert (status["state"], status["running"], status["trouble"]) == ("running", 0, "")
    assert status["seats"]["thread"] == {"used": 0, "total": 4}
    assert node.stop() == STOPPED
    assert not path.exists()


def test_a_node_tells_its_seats_by_executor(node: Running, settings: Any) -> None:
    """As many as it can run: a project's executor has the threads' number; what others claim and run has none."""
    settings.JOBSITE_CELERY_BROKER = "redis://127.0.0.1:1/0"
    more = {
        "gpu": "scheduling.executors.thread.ThreadExecutor",
        "far": "scheduling.executors.celery.CeleryExecutor",
    }
    settings.SCHEDULER = settings.SCHEDULER | {"coroutines": 7, "executors": more}
    node.start()
    told = {"thread": 4, "process": 8, "command": 8, "asyncio": 7, "gpu": 4}
    assert Node.objects.get().seats == told
    free = node.process.scheduler.node.runs.free()
    assert {name: free[name] for name in told} == told
    assert (free["celery"], free["far"]) == (0, 0)


def test_once_ends_when_nothing_is_left_to_do(node: Running) -> None:
    node.process.options = Options(["default"], 4, 5.0, 0.05, 0.5, 15.0, once=True)
    node.let_go.set()
    execution = ask("stubborn")
    node.start()
    assert node.end() == STOPPED
    assert row(execution).state == "succeeded"
