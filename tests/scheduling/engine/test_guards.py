"""A node that is not fit claims nothing, says why, and goes on by itself; so does one whose database takes nothing."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest import MonkeyPatch

from scheduling import clock, sql
from scheduling.engine.keepers import guards
from scheduling.models import Execution, Node
from scheduling.services import explain, health, nodes, tasks
from scheduling.sql import postgresql
from tests.conftest import TESTER
from tests.scheduling.engine.conftest import HandNode, stored

pytestmark = pytest.mark.django_db(transaction=True)

READ_ONLY = {
    "sqlite": "PRAGMA query_only = 1",
    "postgresql": "SET default_transaction_read_only = on",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}


def ask() -> Execution:
    return tasks.run_now(stored("one", "noop").pk, actor=TESTER)


def claims_nothing(node: HandNode, asked: Execution, words: str) -> None:
    for _ in range(3):
        node.tick()
    asked.refresh_from_db()
    assert asked.state == "queued"
    assert words in Node.objects.get(pk=node.id).detail


def goes_on(node: HandNode, asked: Execution) -> None:
    node.settle()
    asked.refresh_from_db()
    assert asked.state == "succeeded"
    assert Node.objects.get(pk=node.id).detail == ""


def test_a_full_disk_stops_claims_until_there_is_room(node: HandNode, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "free_mb", lambda: 63)
    node.tick()
    asked = ask()
    claims_nothing(node, asked, "63 MB are free")
    monkeypatch.setattr(guards, "free_mb", lambda: 64)
    goes_on(node, asked)


@pytest.mark.parametrize("seconds", [31, -31])
def test_a_clock_that_is_wrong_stops_claims(node: HandNode, monkeypatch: MonkeyPatch, seconds: int) -> None:
    monkeypatch.setattr(guards, "host_now", lambda: clock.now() + timedelta(seconds=seconds))
    node.tick()
    asked = ask()
    claims_nothing(node, asked, f"by {seconds:+d} s")
    monkeypatch.undo()
    goes_on(node, asked)


def test_a_busy_machine_leaves_the_work_to_others(
    node: HandNode, settings: Any, monkeypatch: MonkeyPatch
) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"most_load": 2}
    monkeypatch.setattr("os.getloadavg", lambda: (2.1 * (os.cpu_count() or 1), 0.0, 0.0))
    node.tick()
    asked = ask()
    claims_nothing(node, asked, "claims nothing: this machine's load is 2.1 a core, 2 is allowed")
    assert "2.1 a core, 2 is allowed" in " ".join(explain.of(asked).facts)
    settings.SCHEDULER = settings.SCHEDULER | {"most_load": 0}
    goes_on(node, asked)


def test_a_machine_without_memory_leaves_the_work_to_others(
    node: HandNode, settings: Any, monkeypatch: MonkeyPatch
) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"least_free_memory_mb": 512}
    free: list[int | None] = [511, None]
    monkeypatch.setattr(guards, "free_memory_mb", lambda: free[0])
    node.tick()
    asked = ask()
    claims_nothing(node, asked, "claims nothing: 511 MB of memory are free, 512 MB are needed")
    free.pop(0)
    goes_on(node, asked)
    node.tick()
    assert "cannot be told" in Node.objects.get(pk=node.id).warning


MEMINFO = "MemTotal: 8000000 kB\nMemFree: 1000 kB\nMemAvailable: 4096000 kB\n"


@pytest.mark.parametrize(
    ("limit", "free"),
    [("max", 4_000), (str(3_000 * 2**20), 1_500), (str(500 * 2**20), 0), (str(9_000 * 2**20), 4_000), (None, 4_000)],
)  # fmt: skip
def test_free_memory_is_what_a_container_has_left(
    db: None, tmp_path: Path, monkeypatch: MonkeyPatch, limit: str | None, free: int
) -> None:
    """2 000 MB are used, of which 500 are files that nobody uses."""
    group = tmp_path / "system.slice" / "jobsite.service"
    for name, text in (
        ("meminfo", MEMINFO), ("self/cgroup", "0::/system.slice/jobsite.service\n"),
        ("system.slice/jobsite.service/memory.stat", f"anon 1\ninactive_file {500 * 2**20}\n"),
        ("system.slice/jobsite.service/memory.current", f"{2_000 * 2**20}\n"),
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    if limit is not None:
        (group / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(guards, "PROC", tmp_path)
    monkeypatch.setattr(guards, "CGROUPS", tmp_path)
    assert guards.free_memory_mb() == free
    (tmp_path / "meminfo").unlink()
    assert guards.free_memory_mb() is None


def test_this_machine_tells_of_itself(db: None) -> None:
    assert guards.load_per_core() >= 0
    assert (guards.free_memory_mb() or 0) > 10


def test_a_reason_that_could_not_be_written_is_written_later(
    node: HandNode, monkeypatch: MonkeyPatch
) -> None:
    """Pain 40: the disk that is full may be the database's own; also when it has room again, and refuses once more."""
    node.tick()
    asked = ask()
    for free, said in ((63, "63 MB are free"), (64, "")):
        monkeypatch.setattr(guards, "free_mb", lambda free=free: free)
        with monkeypatch.context() as refusing:
            refusing.setattr(nodes, "set_state", _refuse)
            node.tick()
            assert node.state.trouble == "database or disk is full"
            assert bool(node.state.holds) == bool(said)
        node.tick()
        detail = Node.objects.get(pk=node.id).detail
        assert said in detail
        assert bool(detail) == bool(said)
    goes_on(node, asked)


def _refuse(*_args: Any) -> None:
    raise OperationalError("database or disk is full")


def test_the_disk_of_an_embedded_database_counts_too(
    transactional_db: None, settings: Any, tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path
    database = Path(connection.settings_dict["NAME"]).parent
    free = {tmp_path: 100, database: 7}
    monkeypatch.setattr(guards, "_free_bytes", lambda folder: free[folder] * 2**20)
    assert guards.free_mb() == (7 if connection.vendor == "sqlite" else 100)


def test_a_clock_that_is_a_little_wrong_is_said_once_and_shown(
    node: HandNode, monkeypatch: MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = "its clock differs from the database's by +3 s"
    monkeypatch.setattr(guards, "host_now", lambda: clock.now() + timedelta(seconds=3))
    node.tick()
    node.tick()
    assert caplog.text.count(said) == 1
    shown = Node.objects.get(pk=node.id)
    assert shown.warning == said
    assert f"node {shown}: {said}" in health.check().warnings
    asked = ask()
    assert f"Node {shown}: {said}." in explain.of(asked).facts
    goes_on(node, asked)
    monkeypatch.undo()
    node.tick()
    assert Node.objects.get(pk=node.id).warning == ""


def test_a_broker_that_does_not_answer_is_shown(node: HandNode, settings: Any) -> None:
    pytest.importorskip("celery")
    settings.JOBSITE_CELERY_BROKER = "redis://127.0.0.1:1/0"
    asked = tasks.run_now(stored("one", "noop", executor="celery").pk, actor=TESTER)
    node.tick()
    asked.refresh_from_db()
    assert (asked.state, asked.handed_at) == ("queued", None)
    assert "the broker of Celery's workers does not answer: " in Node.objects.get(pk=node.id).warning


def test_two_reasons_are_both_shown(node: HandNode, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "free_mb", lambda: 0)
    monkeypatch.setattr(guards, "host_now", lambda: clock.now() + timedelta(hours=1))
    node.tick()
    asked = ask()
    claims_nothing(node, asked, "0 MB are free")
    claims_nothing(node, asked, "by +3600 s")
    monkeypatch.undo()
    goes_on(node, asked)


def test_a_database_that_is_read_only_loses_nothing(node: HandNode) -> None:
    """A result that waits to be stored is stored when it is writable again."""
    asked = ask()
    node.tick()
    node.await_results(1)
    with connection.cursor() as cursor:
        cursor.execute(READ_ONLY[connection.vendor])
    node.tick()
    said: Any = node.state.trouble
    assert "read" in said.lower(), said
    asked.refresh_from_db()
    assert asked.state == "running"
    node.settle()
    asked.refresh_from_db()
    assert (asked.state, asked.attempt, node.state.trouble) == ("succeeded", 1, "")


def test_a_folder_that_is_not_there_yet_has_the_room_of_its_parent(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "not" / "yet"
    assert guards.free_mb() > 0


def test_a_database_that_does_not_clean_up_is_told(node: HandNode, monkeypatch: MonkeyPatch) -> None:
    """Pain of every queue on PostgreSQL: what is over piles up where claims look, and nobody says so."""
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL alone leaves that to a vacuum")
    monkeypatch.setattr(postgresql, "MOST_DEAD_ROWS", 0)
    node.tick()
    with connection.cursor() as cursor:
        cursor.execute("SHOW autovacuum")
        is_off = cursor.fetchone() == ("off",)
    warning = Node.objects.get(pk=node.id).warning
    assert warning.startswith("PostgreSQL has not cleaned up scheduling_execution for long")
    assert warning.endswith(": autovacuum is off") == is_off
    assert any(warning in said for said in health.check().warnings)


def test_who_keeps_a_database_from_cleaning_up_is_named(
    transactional_db: None, monkeypatch: MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL alone leaves that to a vacuum")
    monkeypatch.setattr(postgresql, "MOST_DEAD_ROWS", 0)
    monkeypatch.setattr(postgresql, "LONG_SECONDS", 0.0)
    query = postgresql.PostgreSQL.query
    monkeypatch.setattr(
        postgresql.PostgreSQL,
        "query",
        lambda self, text, *values: query(
            self, text.replace("current_setting('autovacuum')", "'on'"), *values
        ),
    )
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT pg_backend_pid() FROM scheduling_node RIGHT JOIN (SELECT 1) one ON true")
            (pid,) = cursor.fetchone()
        assert f"process {pid} has a transaction open since " in sql.upkeep_trouble()
    finally:
        other.close()
