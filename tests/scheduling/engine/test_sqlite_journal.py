"""SQLite's journal is written back while nobody can write: otherwise many versions lose what was committed (P1, P3)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from jobsite import settings
from jobsite.sqlite import loses_commits
from scheduling import sql
from scheduling.models import Group
from scheduling.sql import sqlite
from tests.conftest import Nodes, await_

HARMED = pytest.mark.skipif(not loses_commits(), reason="this SQLite makes its checkpoints itself")


@pytest.mark.parametrize(
    ("version", "loses"),
    [
        ((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False), ((3, 45, 0), True), ((3, 50, 6), True),
        ((3, 50, 7), False), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 53, 0), False),
    ],
)  # fmt: skip
def test_which_versions_have_the_fault(version: tuple[int, int, int], loses: bool) -> None:
    """By https://sqlite.org/wal.html#the_wal_reset_bug."""
    assert loses_commits(version) is loses


def test_versions_without_the_fault_make_their_checkpoints_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///:memory:")
    monkeypatch.setattr(settings, "loses_commits", lambda: False)
    said = settings.database_settings()["OPTIONS"]["init_command"]
    assert "wal_autocheckpoint=16000" in said


@pytest.fixture
def journal(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    if connection.vendor != "sqlite":
        pytest.skip("servers keep their own journals")
    monkeypatch.setattr(sqlite, "JOURNAL_BYTES", 4_000_000)
    monkeypatch.setattr(sqlite, "RESTING_BYTES", 100_000)
    path = Path(f"{connection.settings_dict['NAME']}-wal")
    sql.keep_journal_short(resting=True)
    Group.objects.create(key="first", name="first")  # begins the journal anew
    return path


def write_much() -> None:
    for number in range(60):
        Group.objects.create(key=f"group-{number}", name="x", description="y" * 4_000)


@HARMED
def test_a_long_journal_is_written_back_and_begun_anew(journal: Path) -> None:
    assert connection.cursor().execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    write_much()
    long = journal.stat().st_size
    assert long > 100_000
    sql.keep_journal_short(resting=True)
    Group.objects.create(key="last", name="last")
    assert journal.stat().st_size < long / 2
    assert Group.objects.count() == 62
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@HARMED
def test_while_there_is_work_only_when_it_is_very_long(journal: Path) -> None:
    write_much_and_forget()
    long = journal.stat().st_size
    sql.keep_journal_short(resting=False)
    Group.objects.create(key="last", name="last")
    assert long <= journal.stat().st_size < 4_000_000, "a burst had to wait for it"
    while journal.stat().st_size < 4_000_000:
        write_much_and_forget()
    sql.keep_journal_short(resting=False)
    Group.objects.create(key="very last", name="very last")
    assert journal.stat().st_size < 100_000


@HARMED
def test_not_while_somebody_writes(journal: Path) -> None:
    write_much()
    long = journal.stat().st_size
    with closing(
        sqlite3.connect(connection.settings_dict["NAME"], timeout=0, isolation_level=None)
    ) as writer:
        writer.execute("BEGIN IMMEDIATE")
        sql.keep_journal_short(resting=True)
        writer.execute("ROLLBACK")
    Group.objects.create(key="last", name="last")
    assert journal.stat().st_size >= long, "it was written back beside a writer"


@HARMED
@pytest.mark.processes
def test_a_scheduler_sees_to_it(journal: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    nodes.start_ready()
    for _ in range(30):
        write_much_and_forget()

    def is_short() -> Any:
        Group.objects.filter(key="first").update(name="second")
        return journal.stat().st_size < sqlite.RESTING_BYTES

    assert journal.stat().st_size > 0
    await_(is_short, 20, "the journal is short again")


def write_much_and_forget() -> None:
    write_much()
    Group.objects.filter(key__startswith="group-").delete()
