"""One node's life: drain, cancel, timeouts, logs, and what a frozen node may no longer do."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from scheduling.exceptions import Refused
from scheduling.models import Execution, ExecutionLog, Node, Task
from scheduling.services import executions, tasks
from scheduling.services import nodes as node_services
from tests.conftest import TESTER, Nodes, await_, new_task
from tests.promises import story

pytestmark = pytest.mark.processes

SHORT_LEASE = {"JOBSITE_LEASE_SECONDS": "2", "JOBSITE_BEAT_SECONDS": "0.5"}


def run(
    function: str = "sleep", parameters: dict[str, Any] | None = None, key: str = "task", **values: Any
) -> Execution:
    """Asks for one run of a new task that is due only far in the future."""
    far = {"trigger": "cron", "trigger_params": {"expression": "0 0 1 1 *"}}
    made = tasks.create(
        new_task(key, function=function, parameters=parameters or {}, **far | values), actor=TESTER
    )
    return tasks.run_now(made.pk, actor=TESTER)


def ended(execution: Execution, seconds: float = 30) -> Execution:
    def look() -> Execution | None:
        row = Execution.objects.get(pk=execution.pk)
        return row if row.finished_at else None

    found: Execution = await_(look, seconds, f"{execution} ends")
    return found


def running(execution: Execution) -> None:
    await_(lambda: story.count(pk=execution.pk, state="running"), what=f"{execution} runs")


def test_results_errors_and_logs_are_stored(nodes: Nodes) -> None:
    echo = run("echo", {"values": {"a": [1, "ä😀"]}}, key="echo")
    fail = run("fail", {"message": "no luck"}, key="fail")
    nodes.start_ready()
    good, bad = ended(echo), ended(fail)
    assert (good.state, good.attempt) == ("succeeded", 1)
    assert good.result == {"a": [1, "ä😀"]}
    assert (bad.state, bad.reason, bad.message) == ("failed", "exception", "no luck")
    assert "FailedOnPurpose" in bad.traceback


def test_cancel_reaches_a_running_task(nodes: Nodes) -> None:
    execution = run(parameters={"seconds": 600})
    nodes.start_ready()
    running(execution)
    executions.cancel(execution.pk, actor=TESTER)
    assert (ended(execution).state, ended(execution).reason) == ("cancelled", "cancel_requested")


def test_a_run_past_its_deadline_ends_timed_out(nodes: Nodes) -> None:
    execution = run(parameters={"seconds": 600}, timeout_seconds=1)
    nodes.start_ready()
    assert (ended(execution).state, ended(execution).reason) == ("timed_out", "timeout")


def test_a_node_asked_from_elsewhere_to_drain_lets_its_runs_end_and_stops(nodes: Nodes) -> None:
    execution = run(parameters={"seconds": 3})
    node = nodes.start_ready("--drain-seconds", "0")  # for signals; who asks from elsewhere has time
    running(execution)
    node_id = Node.objects.get().pk
    node_services.drain(node_id, actor=TESTER)
    await_(lambda: Node.objects.filter(state="draining"), 5, "it drains")
    later = run("noop", key="later")
    assert node.process.wait(30) == 0
    assert ended(execution).state == "succeeded"
    assert Execution.objects.get(pk=later.pk).state == "queued"
    assert Node.objects.get().state == "stopped"
    with pytest.raises(Refused, match="ended already"):
        node_services.drain(node_id, actor=TESTER)


def test_a_signal_asks_where_each_thread_is(nodes: Nodes) -> None:
    """For somebody at 3 a.m. who sees a node that does nothing, and may not yet end it."""
    node = nodes.start_ready()

    def named(function: str) -> bool:
        node.process.send_signal(signal.SIGUSR1)  # a thread that moves on meanwhile may be told in part only
        return f"in {function}\n" in node.said()

    for function in ("_wait", "_main_loop"):  # of the main thread and of the one that ticks
        await_(lambda function=function: named(function), what=f"it names {function}")
    story.await_another(story.steady_task(nodes))
    assert node.stop() == 0


def test_drain_lets_runs_end_and_starts_nothing_new(nodes: Nodes) -> None:
    execution = run(parameters={"seconds": 5})
    node = nodes.start_ready()
    running(execution)
    node.ask_to_stop()
    await_(lambda: Node.objects.filter(state="draining"), what="it drains")
    later = run("noop", key="later")
    assert node.stop() == 0
    assert ended(execution).state == "succeeded"
    assert Execution.objects.get(pk=later.pk).state == "queued"
    assert Node.objects.get().state == "stopped"


def test_drain_asks_and_then_gives_up(nodes: Nodes) -> None:
    """What asks its run ends cancelled."""
    execution = run(parameters={"seconds": 600})
    node = nodes.start_ready("--drain-seconds", "0")
    running(execution)
    assert node.stop() == 0
    assert (ended(execution).state, ended(execution).reason) == ("cancelled", "node_stopped")


def test_a_run_with_a_live_heartbeat_is_never_rescued(nodes: Nodes) -> None:
    """P5, pain 9: it lasts four leases, and another node watches."""
    execution = run(parameters={"seconds": 8})
    for _ in range(2):
        nodes.start_ready(**SHORT_LEASE)
    assert ended(execution).state == "succeeded"
    assert Execution.objects.get().attempt == 1


def test_a_frozen_node_wakes_up_dead(nodes: Nodes) -> None:
    """P2, pain 11: SIGSTOP beyond the lease, then SIGCONT; its result is refused and it ends with 70."""
    frozen = nodes.start_ready(**SHORT_LEASE)
    nodes.start_ready("--queues", "others", **SHORT_LEASE)
    execution = run(parameters={"seconds": 3})
    running(execution)
    os.kill(frozen.process.pid, signal.SIGSTOP)
    try:
        row = ended(execution)
    finally:
        os.kill(frozen.process.pid, signal.SIGCONT)
    assert (row.state, row.reason) == ("lost", "node_died")
    assert frozen.process.wait(30) == 70
    again = Execution.objects.get()
    assert (again.state, again.attempt, again.result) == ("lost", 1, None)


def test_a_second_node_of_the_same_host_is_somebody_else(nodes: Nodes) -> None:
    """Pain 10."""
    for _ in range(2):
        nodes.start_ready()
    assert Node.objects.filter(state="active").count() == 2
    assert len(set(Node.objects.values_list("host", flat=True))) == 1


def test_what_a_run_says_lands_in_its_log(nodes: Nodes) -> None:
    execution = run("prune_history", key="prune")
    talk = run("fail", {"message": "said"}, key="talk")
    nodes.start_ready()
    ended(execution)
    ended(talk)
    assert Task.objects.count() == 2
    seqs = list(ExecutionLog.objects.filter(execution=talk).values_list("seq", flat=True))
    assert seqs == sorted(seqs)


def test_once_runs_what_is_there_and_ends(nodes: Nodes) -> None:
    execution = run("noop")
    assert nodes.start("--once").process.wait(60) == 0
    assert Execution.objects.get(pk=execution.pk).state == "succeeded"
