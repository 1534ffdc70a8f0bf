"""Runs in processes of their own, through a whole scheduler: recorded as any other, and gone when it is (issue 4)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from scheduling.models import Execution, ExecutionLog
from scheduling.services import executions
from tests.conftest import TESTER, NodeProcess, Nodes, await_
from tests.promises import story
from tests.promises.test_life import ended, run, running

pytestmark = pytest.mark.processes


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def family(pid: int) -> list[int]:
    found = [pid]
    for member in found:
        for task in Path(f"/proc/{member}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found[1:]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cancelled_within(execution: Execution, seconds: float) -> Execution:
    began = time.monotonic()
    executions.cancel(execution.pk, actor=TESTER)
    row = ended(execution, 10)
    assert time.monotonic() - began < seconds
    return row


def test_they_are_recorded_as_any_other_and_end_with_their_scheduler(nodes: Nodes) -> None:
    process = {"executor": "process"}
    echo = run("echo", {"values": {"a": "ä"}}, key="echo", **process)
    late = run("sleep", {"seconds": 600}, key="late", timeout_seconds=1, **process)
    many = [run("sleep", {"seconds": 600}, key=f"long-{number}", **process) for number in range(3)]
    node: NodeProcess = nodes.start_ready("--processes", "4")
    good = ended(echo)
    assert (good.state, good.result, good.exit_code, good.executor) == ("succeeded", {"a": "ä"}, 0, "process")
    assert "'ä'" in ExecutionLog.objects.get(execution_id=good.pk).text
    out_of_time = ended(late)
    assert (out_of_time.state, out_of_time.reason) == ("timed_out", "timeout")
    for execution in many:
        running(execution)
    # Seats of threads are free all the same, and more processes than seats are not begun.
    waiting = [run("sleep", {"seconds": 600}, key=f"more-{number}", **process) for number in range(2)]
    assert ended(run("noop", key="thread")).state == "succeeded"
    await_(lambda: story.count(state="running", executor="process") == 4, what="four run")
    assert story.count(pk__in=[row.pk for row in waiting], state="queued") == 1
    one = cancelled_within(many[0], 2.5)
    assert (one.state, one.reason) == ("cancelled", "cancel_requested")
    await_(lambda: story.count(state="running", executor="process") == 4, what="the seat is used again")

    members = family(node.process.pid)
    assert len(members) >= 4 + 2, "four runs, the fork server and the warden"
    node.kill()
    await_(lambda: not any(map(alive, members)), 2, "kill -9 leaves no run, no fork server and no warden")
