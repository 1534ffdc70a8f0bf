"""``manage.py health``: fails with the reason when the scheduling does not work."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_apscheduler.models import DjangoJob

from scheduling import sql
from scheduling.clock import SettableClock
from scheduling.models import Node, Task
from scheduling.services import nodes

#: No process has it: Linux gives at most 2**22.
GONE = 2**22 + 1


def health(*options: str) -> tuple[str, str]:
    """What was said, and the fault (empty when healthy)."""
    out = io.StringIO()
    try:
        call_command("health", *options, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def beating(
    clock: SettableClock,
    queues: list[str] | None = None,
    functions: tuple[str, ...] = ("noop",),
    kind: Node.Kind = Node.Kind.SCHEDULER,
) -> Node:
    node = nodes.register(
        clock.now(),
        queues=queues or ["default"],
        functions=functions,
        seats={"thread": 4},
        lease_seconds=15,
        kind=kind,
    )
    nodes.set_state(node.pk, Node.State.ACTIVE, clock.now())
    return node


def test_healthy_with_a_node_that_beats(make_task: Callable[..., Task], clock: SettableClock) -> None:
    make_task()
    beating(clock)
    said, fault = health()
    assert fault == ""
    assert said.splitlines() == ["as of 2026-06-01T12:00:00+00:00: 1 nodes beat", "healthy"]


def test_no_node_has_ever_run(db: None, clock: SettableClock) -> None:
    assert "no scheduler is running (none has ever been seen)" in health()[1]


def test_the_lease_of_the_only_node_is_over(db: None, clock: SettableClock) -> None:
    beating(clock)
    clock.move(seconds=16)
    assert "no scheduler is running (last seen 2026-06-01T12:00:00+00:00)" in health()[1]


def test_a_queue_that_nobody_serves(make_task: Callable[..., Task], clock: SettableClock) -> None:
    make_task("here")
    make_task("there", queue="reports")
    tasks_off = make_task("off", queue="unused")
    Task.objects.filter(pk=tasks_off.pk).update(enabled=False)
    beating(clock)
    assert health()[1] == "queue reports: no live node takes from it"


def test_a_queue_whose_workers_are_gone(
    make_task: Callable[..., Task], clock: SettableClock, settings: Any
) -> None:
    """A scheduler hands its runs over; with nobody to take them they would be queued for ever, and all look well."""
    settings.JOBSITE_CELERY_BROKER = "redis://127.0.0.1:6379/5"
    make_task("far", executor="celery")
    make_task("near")
    beating(clock)
    assert health()[1] == "queue default: no live Celery worker takes from it (executor celery)"
    beating(clock, kind=Node.Kind.WORKER)
    assert health()[1] == ""
    clock.move(seconds=16)
    beating(clock)
    assert "no live Celery worker" in health()[1]
    settings.JOBSITE_CELERY_BROKER = ""
    assert health()[1] == "", "nobody hands anything over"


def test_nodes_that_claim_nothing_say_why(make_task: Callable[..., Task], clock: SettableClock) -> None:
    """Pain 40: while somebody else takes from the queue it is a warning."""
    make_task("here")
    make_task("there", queue="reports")
    full = beating(clock, queues=["default", "reports"])
    nodes.set_state(full.pk, Node.State.ACTIVE, clock.now(), "claims nothing: 3 MB are free")
    assert health()[1] == f"node {full} claims nothing: 3 MB are free"
    beating(clock)
    assert health()[1] == f"node {full} claims nothing: 3 MB are free", (
        "the queue reports is served by nobody"
    )
    beating(clock, queues=["reports"])
    said, fault = health()
    assert fault == ""
    assert f"warning: node {full} claims nothing: 3 MB are free" in said


def test_a_database_that_takes_no_writes_is_named(
    db: None, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for only when something stands still: an account may be free to write all the same."""
    monkeypatch.setattr(sql.statements(), "why_no_writes", lambda: "the database is read-only", raising=False)
    node = beating(clock)
    assert health()[1] == ""
    clock.move(seconds=16)
    assert health()[1].splitlines() == [
        f"no scheduler is running (last seen {node.heartbeat_at.isoformat(timespec='seconds')})",
        "the database is read-only",
    ]


def test_a_database_that_takes_writes_is_not_accused(db: None) -> None:
    assert sql.why_no_writes() == ""


def test_something_due_that_nobody_admits(make_task: Callable[..., Task], clock: SettableClock) -> None:
    task = make_task()
    beating(clock)
    live = DjangoJob.objects.filter(pk=str(task.pk))
    live.update(next_run_time=clock.now() - timedelta(seconds=29))
    assert health()[1] == ""
    live.update(next_run_time=clock.now() - timedelta(seconds=45))
    assert health()[1] == "a task has been due for 45 s and nothing has admitted it"


def test_foreign_jobs_in_the_table_do_not_count(db: None, clock: SettableClock) -> None:
    beating(clock)
    DjangoJob.objects.create(id="theirs", next_run_time=clock.now() - timedelta(days=1), job_state=b"")
    assert health()[1] == ""


def test_a_function_that_no_node_has_is_a_warning(
    make_task: Callable[..., Task], clock: SettableClock
) -> None:
    make_task("odd", function="echo")
    make_task("even")
    beating(clock)
    said, fault = health()
    assert fault == ""
    assert "warning: task odd: no live node of queue default has the function echo" in said


@pytest.fixture
def status(settings: Any, tmp_path: Path) -> Callable[..., None]:
    """Writes a node's status file; ages in seconds."""
    settings.VAR_DIR = tmp_path
    (tmp_path / "nodes").mkdir()

    def write(
        name: str, *, age: float = 0, tick: float = 0.1, pid: int = os.getpid(), state: str = "running",
        trouble: str = "",
    ) -> None:  # fmt: skip
        entry = {
            "node": name,
            "pid": pid,
            "state": state,
            "at": time.time() - age,
            "last_tick_seconds_ago": tick,
            "trouble": trouble,
            "seats": {"thread": {"used": 3, "total": 64}, "asyncio": {"used": 0, "total": 500}},
        }
        (tmp_path / "nodes" / f"{name}.json").write_text(json.dumps(entry))

    return write


def test_a_node_that_ticks(status: Callable[..., None]) -> None:
    status("a")
    said, fault = health("--node")
    assert (said.strip().endswith("running, tick 0 s ago, thread 3/64, asyncio 0/500"), fault) == (True, "")


def test_a_node_says_what_troubles_it(status: Callable[..., None]) -> None:
    """It lives and tries again: no reason to start it anew."""
    status("a", trouble="database or disk is full")
    said, fault = health("--node")
    assert (said.strip().endswith("; database or disk is full"), fault) == (True, "")


def test_no_status_file(status: Callable[..., None]) -> None:
    assert "No node of this machine has a status file" in health("--node")[1]


@pytest.mark.parametrize("values", [{"tick": 31}, {"age": 31}, {"age": 20, "tick": 20}, {"state": "dead"}])
def test_a_node_that_stands_still(status: Callable[..., None], values: dict[str, Any]) -> None:
    status("a", **values)
    assert health("--node")[1].startswith(f"a pid {os.getpid()}: ")


def test_the_file_of_a_killed_node_does_not_condemn_its_successor(status: Callable[..., None]) -> None:
    status("killed", age=600, pid=GONE)
    assert "killed" in health("--node")[1]
    status("in_the_same_container", age=300)
    status("b")
    assert health("--node")[1] == ""


def test_a_status_file_that_is_no_json(status: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "nodes" / "x.json").write_text("{")
    assert health("--node")[1].startswith("x.json: ")
