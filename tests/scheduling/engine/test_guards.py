"""A node that is not fit claims nothing, says why, and goes on by itself; so does one whose database takes nothing."""

from __future__ import annotations

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
