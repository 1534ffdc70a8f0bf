"""Runs by Celery's workers: handed over by id, recorded as any other; redelivered, cancelled, timed out, killed.

All of it by Redis and by RabbitMQ on each database: some 15 s a pair.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scheduling.models import Execution, ExecutionLog, Node
from scheduling.services import executions
from scheduling.services import nodes as nodes_service
from tests.conftest import ROOT, TESTER, NodeProcess, Nodes, await_
from tests.promises import story
from tests.promises.test_life import ended, run, running

pytest.importorskip("celery")
pytestmark = pytest.mark.processes

BROKERS = {
    "redis": ("redis://127.0.0.1:6379/5", 6379),
    "rabbitmq": ("amqp://guest:guest@127.0.0.1:5672//", 5672),
}
SHORT = {"JOBSITE_LEASE_SECONDS": "3", "JOBSITE_BEAT_SECONDS": "0.5", "JOBSITE_KILL_GRACE_SECONDS": "1"}


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, settings: object) -> str:
    url, port = BROKERS[request.param]
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"no {request.param} on port {port}")
        pytest.skip(f"no {request.param} on port {port}")
    settings.JOBSITE_CELERY_BROKER = url  # type: ignore[attr-defined]
    return url


@pytest.fixture
def hire(nodes: Nodes, broker: str, tmp_path: Path) -> Iterator[Callable[[int], NodeProcess]]:
    """``hire(2)``: a worker of two processes on a queue of this test's own."""
    hired: list[NodeProcess] = []

    def start(processes: int) -> NodeProcess:
        log = tmp_path / f"worker{len(hired)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "runceleryworker", "--queues", queue_of(tmp_path),
                 "--processes", str(processes)],
                cwd=ROOT,
                env=nodes.environment(JOBSITE_CELERY_BROKER=broker, **SHORT),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        hired.append(NodeProcess(process, log))
        return hired[-1]

    yield start
    for worker in hired:
        if worker.process.poll() is None:
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait(10)


@pytest.fixture
def worker(hire: Callable[[int], NodeProcess]) -> NodeProcess:
    return hire(2)


def queue_of(folder: Path) -> str:
    return f"t{uuid.uuid5(uuid.NAMESPACE_URL, str(folder)).hex[:20]}"


def test_a_workers_runs_are_recorded_as_any_other(
    nodes: Nodes, worker: NodeProcess, broker: str, tmp_path: Path
) -> None:
    mine = {"executor": "celery", "queue": queue_of(tmp_path)}
    echo = run("echo", {"values": ["ä"]}, key="echo", **mine)
    late = run("sleep", {"seconds": 600}, key="late", timeout_seconds=1, **mine)
    scheduler = nodes.start_ready(
        "--queues", queue_of(tmp_path) + ",default", **SHORT, JOBSITE_CELERY_BROKER=broker
    )
    good = ended(echo, 60)
    assert (good.state, good.result, good.executor) == ("succeeded", ["ä"], "celery"), worker.said()
    node = Node.objects.get(pk=good.node_id)
    assert (node.kind, node.seats) == ("worker", {"celery": 1})
    assert "'ä'" in ExecutionLog.objects.get(execution_id=good.pk).text
    assert (ended(late).state, ended(late).reason) == ("timed_out", "timeout")

    # Redelivered, a message finds nothing to claim.
    from scheduling.engine.celery import app

    sender = app.make_app()
    app.hand_over(sender, [(good.pk, good.queue, None)] * 3)
    long = run("sleep", {"seconds": 600}, key="long", **mine)
    running(long)
    app.hand_over(sender, [(long.pk, long.queue, None)] * 3)
    assert Execution.objects.get(pk=good.pk).attempt == Execution.objects.get(pk=long.pk).attempt == 1
    executions.cancel(long.pk, actor=TESTER)
    assert (ended(long, 10).state, ended(long).reason) == ("cancelled", "cancel_requested")

    # A process that dies is a node that dies: its run is lost, and the worker goes on.
    lost = run("sleep", {"seconds": 600}, key="lost", **mine)
    running(lost)
    os.kill(Node.objects.get(pk=Execution.objects.get(pk=lost.pk).node_id).pid, signal.SIGKILL)
    assert (ended(lost, 20).state, ended(lost).reason) == ("lost", "node_died")
    assert ended(run("noop", key="after", **mine), 30).state == "succeeded"
    assert ended(run("noop", key="thread")).state == "succeeded"

    # Asked to drain, from anywhere, the worker lets its run end, and ends.
    last = run("sleep", {"seconds": 4}, key="last", **mine)
    running(last)
    nodes_service.drain(Node.objects.filter(kind="worker", state="active")[0].pk, actor=TESTER)
    assert worker.process.wait(30) == 0
    assert ended(last, 5).state == "succeeded", worker.said()
    assert scheduler.stop() == 0
    await_(
        lambda: not Node.objects.filter(state__in=Node.LIVE).exists(), 5, "its processes have said goodbye"
    )
    assert story.count(state="running") == 0


def test_two_workers_of_one_host_work_side_by_side(
    nodes: Nodes, hire: Callable[[int], NodeProcess], broker: str, tmp_path: Path
) -> None:
    """Under one name RabbitMQ turned the second one away, and it died."""
    workers = [hire(1), hire(1)]
    await_(lambda: Node.objects.filter(kind="worker", state="active").count() == 2, 60, "both are nodes")
    mine = {"executor": "celery", "queue": queue_of(tmp_path)}
    both = [run("sleep", {"seconds": 5}, key=f"run-{number}", **mine) for number in range(2)]
    nodes.start_ready("--queues", queue_of(tmp_path), **SHORT, JOBSITE_CELERY_BROKER=broker)
    for execution in both:
        assert ended(execution, 60).state == "succeeded", [worker.said() for worker in workers]
    assert [worker.process.poll() for worker in workers] == [None, None], [each.said() for each in workers]
    ran_by = set(Execution.objects.values_list("node_id", flat=True))
    assert len(ran_by) == 2
