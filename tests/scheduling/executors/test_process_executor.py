"""The process executor: whatever a run does, it ends as it should, whole, and hurts nothing else (issue 4, show 4)."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduling import clock as clocks
from scheduling.executors.base import Outcome, RunOrder
from scheduling.executors.process import ProcessExecutor
from scheduling.executors.processes.client import fork_server
from scheduling.executors.processes.guard import guard
from tests.conftest import await_
from tests.scheduling.executors import crimes
from tests.scheduling.executors.orders import Returned, new_order

pytestmark = pytest.mark.processes


@pytest.fixture(autouse=True)
def _short_grace(settings: Any) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"kill_grace_seconds": 0.5}


@pytest.fixture
def returned() -> Returned:
    return Returned()


@pytest.fixture
def executor(returned: Returned) -> Iterator[ProcessExecutor]:
    made = ProcessExecutor(8)
    made.start(crimes.run, returned)
    yield made
    assert made.shutdown(10) == ()


@pytest.fixture
def do(executor: ProcessExecutor, returned: Returned) -> Callable[..., Outcome]:
    """Runs one function and gives its outcome."""

    def run(function: str, seconds: float | None = None, **more: Any) -> Outcome:
        parameters = {name: more.pop(name) for name in list(more) if not hasattr(new_order(), name)}
        order = new_order(function=function, parameters=parameters, **more)
        if seconds is not None:
            order = replace(
                order, timeout_seconds=seconds, deadline_at=clocks.now() + timedelta(seconds=seconds)
            )
        executor.submit(order)
        return returned.wait(1)[0][1]

    return run


def text(outcome: Outcome) -> str:
    assert outcome.log is not None
    return "\n".join(f"{chunk.level} {chunk.text}" for chunk in outcome.log.drain().chunks)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_has_a_process_of_its_own_in_which_django_was_loaded_before(do: Any) -> None:
    upstream = {"first": {"execution_id": 7, "state": "succeeded", "result": {"rows": [3, "ä"]}}}
    outcome = do("who_am_i", upstream=upstream)
    assert outcome.state == "succeeded", outcome
    import json

    said = json.loads(outcome.result)
    assert said["pid"] not in (os.getpid(), fork_server.pid)
    assert said["parent"] == fork_server.pid == said["preloaded_in"], (
        "it was forked from where Django was loaded"
    )
    assert said["session"] == said["pid"]
    assert said["ready"]
    assert said["key"] == "key-1"
    assert said["upstream"] == upstream
    assert outcome.exit_code == 0


def test_what_it_says_reaches_the_log_and_the_progress(do: Any) -> None:
    outcome = do("speak")
    said = text(outcome)
    assert outcome.result == '"said"'
    for line in ("INFO on stdout", "WARNING on stderr", "from a program", "ERROR by log"):
        assert line in said
    assert outcome.progress == (3, 7, "three")


def test_an_exception_is_told_as_from_a_thread(do: Any) -> None:
    outcome = do("raise_error")
    assert (outcome.state, outcome.reason, outcome.error_class) == ("failed", "exception", "ValueError")
    assert "raise_error" in outcome.traceback


def test_a_crash_is_told_by_its_signal_and_what_it_said_before_is_kept(do: Any) -> None:
    outcome = do("crash")
    assert (outcome.state, outcome.reason, outcome.exit_code) == ("failed", "exited", -signal.SIGSEGV)
    assert "SIGSEGV" in outcome.detail
    assert "about to crash" in text(outcome)


@pytest.mark.parametrize("code", [0, 3])
def test_leaving_without_a_word_is_a_failure_with_the_exit_code(do: Any, code: int) -> None:
    outcome = do("leave", code=code)
    assert (outcome.state, outcome.reason, outcome.exit_code) == ("failed", "exited", code)
    assert f"exit code {code}" in outcome.detail


def test_a_memory_hog_ends_at_its_limit(do: Any) -> None:
    outcome = do("hog", memory_limit_mb=200)
    assert (outcome.state, outcome.reason) == ("failed", "memory_limit")
    assert "200 MiB are allowed" in outcome.detail


def test_a_processor_hog_ends_at_its_limit(do: Any) -> None:
    outcome = do("burn", cpu_limit_seconds=1)
    assert (outcome.state, outcome.reason) == ("failed", "cpu_limit")
    assert outcome.run_ms < 5_000


def test_a_fork_bomb_is_ended_whole(do: Any) -> None:
    outcome = do("fork_bomb")
    assert (outcome.state, outcome.reason) == ("failed", "process_limit")
    await_(lambda: len(_others_of(fork_server.pid)) == 0, 5, "all of them are gone")


def _others_of(parent: int | None) -> list[str]:
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()


def test_a_flood_of_output_leaves_memory_flat(do: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = do("flood", megabytes=200)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert outcome.state == "succeeded"
    assert outcome.log is not None
    chunks = outcome.log.drain().chunks
    assert sum(len(chunk.text) for chunk in chunks) < 1.1 * 1024 * 1024
    assert any("bytes left out" in chunk.text for chunk in chunks)
    assert grown_mb < 50


def test_what_ignores_everything_is_killed_with_all_that_it_has_started(do: Any, tmp_path: Path) -> None:
    """Children, a grandchild in a session of its own and a daemon: all gone within the grace and 5 s."""
    path = tmp_path / "pids"
    began = time.monotonic()
    outcome = do("ignore", seconds=2, path=str(path))
    assert time.monotonic() - began < 2 + 0.5 + 5
    assert (outcome.state, outcome.reason) == ("timed_out", "timeout")
    pids = [int(pid) for pid in path.read_text().split()]
    assert len(pids) == 4
    await_(lambda: not any(map(alive, pids)), 5, "all of them are gone")


def test_a_daemon_left_behind_neither_delays_the_end_nor_outlives_the_run(do: Any) -> None:
    outcome = do("leave_daemon")
    assert outcome.state == "succeeded", outcome
    assert outcome.run_ms < 5_000
    await_(lambda: not alive(int(outcome.result)), 5, "it is gone")


def test_cancelling_wakes_it_and_lets_it_clean_up(executor: ProcessExecutor, returned: Returned) -> None:
    order = new_order(function="clean_up")
    executor.submit(order)
    await_(lambda: executor.running() and fork_server.pid and _others_of(fork_server.pid), 20)
    time.sleep(0.2)  # cancelled before it began it would not have to clean up
    assert executor.cancel(*order.key, "cancel_requested", "by somebody")
    outcome = returned.wait(1)[0][1]
    assert (outcome.state, outcome.reason, outcome.detail) == ("cancelled", "cancel_requested", "by somebody")
    assert "cleaned up" in text(outcome)


def test_a_run_that_nobody_may_record_any_more_is_killed_at_once(
    executor: ProcessExecutor, returned: Returned, tmp_path: Path, settings: Any
) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"kill_grace_seconds": 600}
    path = tmp_path / "pids"
    order = new_order(function="ignore", parameters={"path": str(path)})
    executor.submit(order)
    await_(lambda: path.exists() and path.read_text(), 20)
    executor.cancel(*order.key, "lost")
    assert returned.wait(1)[0][1].reason == "lost"


def test_nonsense_in_the_report_ends_the_run_and_nothing_else(do: Any) -> None:
    outcome = do("talk_nonsense")
    assert (outcome.state, outcome.reason) == ("failed", "nonsense")


def test_a_killed_fork_server_fails_its_runs_and_is_started_again(
    executor: ProcessExecutor, returned: Returned, tmp_path: Path
) -> None:
    path = tmp_path / "pids"
    executor.submit(new_order(1, function="ignore", parameters={"path": str(path)}))
    await_(lambda: path.exists() and path.read_text(), 20)
    pids = [int(pid) for pid in path.read_text().split()]
    assert fork_server.pid is not None
    os.kill(fork_server.pid, signal.SIGKILL)
    first = returned.wait(1)[0][1]
    assert (first.state, first.reason) == ("failed", "worker_failed")
    await_(lambda: not any(map(alive, pids)), 5, "nothing of the run lives on")
    executor.submit(new_order(2, function="who_am_i"))
    assert returned.wait(2)[1][1].state == "succeeded"


def test_many_at_once_come_back_once_each(executor: ProcessExecutor, returned: Returned) -> None:
    for number in range(24):
        executor.submit(new_order(number, function="who_am_i"))
    outcomes = returned.wait(24)
    assert sorted(number for number, _outcome in outcomes) == list(range(24))
    assert {outcome.state for _number, outcome in outcomes} == {"succeeded"}
    assert len(os.listdir("/proc/self/fd")) < 200


@contextlib.contextmanager
def descriptors_left(number: int) -> Iterator[None]:
    """This process can open that many more, and not one beyond."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 32, hard))
    held: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.dup(0))
        for _time in range(number):
            os.close(held.pop())
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_out_of_descriptors_a_run_fails_and_none_is_lost(
    executor: ProcessExecutor, returned: Returned
) -> None:
    executor.submit(new_order(1_000, function="who_am_i"))
    returned.wait(1)
    await_(lambda: not executor.running(), 5)
    gc.collect()
    server, before = fork_server.pid, sorted(os.listdir("/proc/self/fd"))
    for number in range(16):
        with descriptors_left(number):
            executor.submit(new_order(number, function="who_am_i"))
            returned.wait(number + 2)
            await_(lambda: not executor.running(), 5)
        gc.collect()
        assert sorted(os.listdir("/proc/self/fd")) == before, f"with {number} left"
    states = [outcome.state for _number, outcome in returned.outcomes]
    assert (states[1], states[-1]) == ("failed", "succeeded"), states
    assert fork_server.pid == server
    children = Path(f"/proc/{server}/task/{server}/children")
    await_(lambda: children.read_text() == "", 5, "no process waits for an order that never comes")


def test_out_of_descriptors_a_run_under_way_goes_on(executor: ProcessExecutor, returned: Returned) -> None:
    executor.submit(new_order(function="use", parameters={"megabytes": 1, "cpu_seconds": 0.1}))
    await_(lambda: guard._leaders, 20, "it is under way")
    with descriptors_left(0):
        outcome = returned.wait(1)[0][1]
    assert outcome.state == "succeeded", outcome


def test_out_of_descriptors_a_run_can_be_killed(executor: ProcessExecutor, returned: Returned) -> None:
    order = new_order(function="burn")
    executor.submit(order)
    await_(lambda: guard._leaders, 20, "it is under way")
    (leader,) = guard._leaders
    with descriptors_left(0):
        executor.cancel(*order.key, "cancel_requested")
        assert returned.wait(1)[0][1].state == "cancelled"
    await_(lambda: not alive(leader), 5)


def test_a_run_that_ends_while_there_can_be_no_warden_ends_as_it_did(
    executor: ProcessExecutor, returned: Returned, caplog: pytest.LogCaptureFixture
) -> None:
    executor.submit(new_order(1, function="use", parameters={"megabytes": 1, "cpu_seconds": 0.1}))
    await_(lambda: guard._leaders, 20, "it is under way")
    assert guard.pid is not None
    os.kill(guard.pid, signal.SIGKILL)
    with descriptors_left(0):
        assert returned.wait(1)[0][1].state == "succeeded"
        await_(lambda: not executor.running(), 5)
    assert "without a warden" in caplog.text
    executor.submit(new_order(2, function="who_am_i"))
    assert returned.wait(2)[1][1].state == "succeeded"


def test_an_order_too_early_cancelled_does_not_begin(executor: ProcessExecutor, returned: Returned) -> None:
    order: RunOrder = new_order(function="burn")
    executor.submit(order)
    executor.cancel(*order.key, "cancel_requested")
    assert returned.wait(1)[0][1].state == "cancelled"


@pytest.mark.parametrize("function", ["use", "use_in_a_grandchild"])
def test_what_it_used_is_measured_with_what_it_has_started(do: Any, function: str) -> None:
    outcome = do(function, megabytes=200, cpu_seconds=0.6)
    assert outcome.state == "succeeded", outcome
    assert 600 <= outcome.cpu_ms < 6_000
    assert 200 << 20 < outcome.peak_memory_bytes < 500 << 20


def test_what_uses_little_is_said_to(do: Any) -> None:
    outcome = do("who_am_i")
    assert outcome.cpu_ms < 600
    assert 1 << 20 < outcome.peak_memory_bytes < 200 << 20


def test_what_it_used_is_known_of_one_that_was_killed(do: Any) -> None:
    outcome = do("burn", cpu_limit_seconds=1)
    assert outcome.reason == "cpu_limit"
    assert outcome.cpu_ms >= 900
