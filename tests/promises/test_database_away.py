"""P5, pains 5, 6 and 45: an outage of the database makes no healthy run lost and no occurrence vanish."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from django.db import connection

from scheduling.models import Execution, Task
from scheduling.services import tasks
from tests.conftest import TESTER, Nodes, await_, database_url, in_seconds, new_task
from tests.promises import story
from tests.proxy import Proxy, through

pytestmark = pytest.mark.processes

OUTAGE_SECONDS = 30
SILENCE_SECONDS = 12


def begin_twenty_runs(nodes: Nodes, seconds: float, **environment: str) -> Task:
    """A node with 20 runs in progress and a task every two seconds beside them."""
    story.make_due(20, in_seconds(0), nodes, function="sleep", parameters={"seconds": seconds})
    node = nodes.start_ready(**environment)
    assert node.process.poll() is None
    await_(lambda: story.count(state="running") == 20, what="twenty run")
    every = {"trigger": "cron", "trigger_params": {"expression": "*/2 * * * * *"}}
    return tasks.create(new_task("every-two-seconds", misfire_policy="run_latest", **every), actor=TESTER)


def assert_all_is_well(steady: Task) -> None:
    runs = Execution.objects.filter(function="sleep")
    await_(lambda: not runs.filter(state="running").exists(), 60, "the twenty have ended")
    assert set(runs.values_list("state", "reason")) == {("succeeded", "")}
    assert runs.count() == 20
    assert_nothing_vanished(steady)


def assert_nothing_vanished(steady: Task) -> None:
    """P3: from its first to its last occurrence every instant has a row or lies in the range of a missed one."""
    rows = Execution.objects.filter(task=steady).order_by("scheduled_for")
    covered = set()
    for at, state, until in rows.values_list("scheduled_for", "state", "covers_until"):
        instants = range(int(at.timestamp()), int((until or at).timestamp()) + 1, 2)
        assert state in ("succeeded", "missed", "queued", "running", "skipped")
        covered |= set(instants)
    assert covered == set(range(min(covered), max(covered) + 1, 2))


def await_recovery(steady: Task, back_at: float) -> None:
    """Work goes on within 10 s of the database being back."""
    known = Execution.objects.filter(task=steady, state="succeeded").count()
    left = 10 - (time.monotonic() - back_at)
    await_(
        lambda: Execution.objects.filter(task=steady, state="succeeded").count() > known, left, "work goes on"
    )


def test_thirty_seconds_away_with_twenty_runs_in_progress(nodes: Nodes, proxy: Proxy) -> None:
    steady = begin_twenty_runs(nodes, 15, DATABASE_URL=through(proxy, database_url()))
    proxy.cut()
    time.sleep(OUTAGE_SECONDS)  # the outage itself
    proxy.restore()
    await_recovery(steady, time.monotonic())
    assert_all_is_well(steady)
    assert nodes.started[0].stop() == 0


def test_a_black_hole_with_twenty_runs_in_progress(nodes: Nodes, proxy: Proxy) -> None:
    """Connections stand, nothing answers: the statements' own timeouts end it."""
    steady = begin_twenty_runs(nodes, 5, DATABASE_URL=through(proxy, database_url()))
    proxy.silence()
    time.sleep(SILENCE_SECONDS)  # the outage itself
    proxy.break_silence()
    await_recovery(steady, time.monotonic())
    assert_all_is_well(steady)
    assert nodes.started[0].stop() == 0


def test_another_writer_holds_the_lock(nodes: Nodes) -> None:
    """SQLite's kind of outage: another process writes for 8 s, and everybody else waits."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has one writer at a time")
    steady = begin_twenty_runs(nodes, 3)
    held = threading.Event()

    def hold() -> None:
        other = sqlite3.connect(connection.settings_dict["NAME"], timeout=20, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        held.set()
        time.sleep(8)  # the outage itself
        other.execute("COMMIT")
        other.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    holder.join()
    await_recovery(steady, time.monotonic())
    assert_all_is_well(steady)
    assert nodes.started[0].stop() == 0
