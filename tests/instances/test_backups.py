"""Backups of real databases: whole, checked, kept in number, and the same after they are restored."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from instances import tasks
from instances.dialects import programs
from instances.exceptions import BackupDamaged, DialectError, ProgramFailed, ProgramMissing
from instances.models import Backup, Instance
from instances.services import backups
from scheduling.context import NullRun, RunCancelled
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

NAME, OTHER = f"{PREFIX}ba\"ck = \\'x' 销售", f"{PREFIX}restored `x`"
PASSWORD = "a'b\"c\\d #e:f = 销"
USER = f"{PREFIX}backup"
TABLES = [
    "CREATE TABLE t (n int PRIMARY KEY, s varchar(50), b {binary})",
    "INSERT INTO t VALUES (1, 'it''s', {bytes}), (2, NULL, NULL), (3, '销售 😀', {bytes})",
    "CREATE VIEW v AS SELECT n FROM t WHERE s IS NOT NULL",
]


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> Path:
    settings.JOBSITE_BACKUP_ROOT = tmp_path / "backups"
    return tmp_path / "backups"


def contents(server: Any, name: str) -> list[Any]:
    rows = server.sql("SELECT n, s, b FROM t ORDER BY n", database=name)
    return [
        [(n, s, bytes(b) if b is not None else None) for n, s, b in rows],
        server.sql("SELECT n FROM v ORDER BY n", database=name),
    ]


def fill(server: Any, binary: str, text: str) -> None:
    server.run([one.format(binary=binary, bytes=text) for one in TABLES], database=NAME)


@pytest.fixture
def pg(of_server: Any, postgres: Any) -> Iterator[Instance]:
    quote = postgres.quote
    postgres.run([f"CREATE ROLE {USER} LOGIN SUPERUSER PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'"])
    postgres.sql(f"CREATE DATABASE {quote(NAME)} TEMPLATE template0 ENCODING 'UTF8'")
    fill(postgres, "bytea", "'\\x00ff270a'")
    yield of_server(postgres, "pg", username=USER, password=PASSWORD)
    for name in (NAME, OTHER):
        postgres.sql(f"DROP DATABASE IF EXISTS {quote(name)}")
    postgres.run([f"DROP ROLE {USER}"])


@pytest.fixture
def my(of_server: Any, mariadb: Any) -> Iterator[Instance]:
    quote = mariadb.quote
    secret = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    mariadb.run([f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{secret}'", f"GRANT ALL ON *.* TO '{USER}'@'%'"])
    mariadb.run([f"CREATE DATABASE {quote(NAME)} CHARACTER SET utf8mb4"])
    fill(mariadb, "blob", "X'00ff270a'")
    yield of_server(mariadb, "my", username=USER, password=PASSWORD, database="")
    mariadb.run(
        [*(f"DROP DATABASE IF EXISTS {quote(name)}" for name in (NAME, OTHER)), f"DROP USER '{USER}'@'%'"]
    )


def same_after_a_restore(instance: Instance, server: Any, root: Path) -> None:
    row = backups.backup(instance, NAME, keep=3, restore_test=True)
    assert row.restored_at is not None
    path = root / row.file
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == row.size_bytes > 0
    assert [one.name for one in path.parent.iterdir()] == [path.name]  # nothing else is left
    call_command("restore_backup", str(row.pk), "--into", OTHER, stdout=StringIO())
    assert contents(server, OTHER) == contents(server, NAME)
    with pytest.raises(CommandError, match=r"exist|already"):
        call_command("restore_backup", str(row.pk), "--into", OTHER, stdout=StringIO())
    scratch = backups.SCRATCH.format(number=row.pk)
    assert scratch not in {one.name for one in instance.kind.database_sizes(instance.target()).databases}
    with pytest.raises(DialectError):
        backups.backup(instance, "no such database", keep=3)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BackupDamaged, match="not what was written"):
        backups.restore(row, "elsewhere")
    with pytest.raises(DialectError):
        instance.kind.check_dump(path)


def test_postgresql(pg: Instance, postgres: Any, root: Path) -> None:
    same_after_a_restore(pg, postgres, root)


def test_mariadb(my: Instance, mariadb: Any, root: Path) -> None:
    same_after_a_restore(my, mariadb, root)


@pytest.fixture
def lite(make_instance: Any, tmp_path: Path) -> Instance:
    path = tmp_path / "files" / "a b.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript("CREATE TABLE t (n, b); INSERT INTO t VALUES (1, x'00ff'), (2, NULL);")
    found: Instance = make_instance("lite", dialect="sqlite", host="", database=str(path))
    return found


def test_sqlite(lite: Instance, root: Path, tmp_path: Path) -> None:
    row = backups.backup(lite, keep=1, restore_test=True)
    into = tmp_path / "files" / "b.sqlite3"
    backups.restore(row, str(into))
    with contextlib.closing(sqlite3.connect(into)) as database:
        assert database.execute("SELECT n, b FROM t").fetchall() == [(1, b"\0\xff"), (2, None)]
    assert {one.name for one in (tmp_path / "files").iterdir()} == {"a b.sqlite3", "b.sqlite3"}
    for wrong in (str(into), "/etc/never"):
        with pytest.raises(DialectError):
            backups.restore(row, wrong)


def test_the_newest_are_kept(lite: Instance, root: Path, clock: Any) -> None:
    for _ in range(4):
        clock.move(hours=1)
        result = tasks.database_backup("lite", keep=2)
    assert result["backups"][0]["size_bytes"] > 0
    kept = Backup.objects.filter(removed_at=None)
    assert [row.pk for row in kept] == sorted(Backup.objects.values_list("pk", flat=True))[:1:-1]
    assert {str(path.relative_to(root)) for path in root.rglob("*.gz")} == {row.file for row in kept}


def test_no_password_is_to_be_seen(pg: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = programs.subprocess.Popen

    def watch(argv: list[str], **options: Any) -> Any:
        seen.append(f"{argv} {options['env']}")
        return real(argv, **options)

    monkeypatch.setattr(programs.subprocess, "Popen", watch)
    backups.backup(pg, NAME, keep=1)
    assert seen
    assert not [text for text in seen if PASSWORD in text or "SECRET_KEY" in text]


def test_a_program_ends_with_its_run(monkeypatch: pytest.MonkeyPatch, pg: Instance) -> None:
    class Cancelled(NullRun):
        def check_cancelled(self) -> None:
            raise RunCancelled("by_person")

    monkeypatch.setattr(programs, "current_run", Cancelled)
    with pytest.raises(RunCancelled):
        programs.run(["/bin/sleep", "60"], pg.target())


def test_a_program_that_fails_or_is_missing_is_named(pg: Instance) -> None:
    with pytest.raises(ProgramFailed, match="ls ended with"):
        programs.run(["/bin/ls", "/nowhere"], pg.target())
    with pytest.raises(ProgramMissing, match="no_such_program"):
        programs.find("no_such_program")


def test_pages_and_api_tell_of_it_and_hand_out_no_file(
    lite: Instance, root: Path, admin_client: Client
) -> None:
    kept = backups.backup(lite, keep=2, restore_test=True)
    for _ in range(2):
        other = backups.backup(lite, keep=2)
    row = admin_client.get(f"/api/v1/backups/{kept.pk}/").json()
    assert (row["size_bytes"], row["sha256"], row["file"]) == (kept.size_bytes, kept.sha256, kept.file)
    assert row["duration_seconds"] >= 0
    assert (row["restored_at"] is not None, row["removed_at"] is not None) == (True, True)
    queries = {
        "": 3, "kept=true": 2, "kept=false": 1, "restore_tested=true": 1, "restore_tested=false": 2,
        f"instance={lite.pk}": 3, "dialect=sqlite": 3, "dialect=mysql": 0, "changed_since=2999-01-01T00:00:00Z": 0,
    }  # fmt: skip
    for query, found in queries.items():
        assert len(admin_client.get(f"/api/v1/backups/?{query}").json()["results"]) == found, query
    listed = admin_client.get("/admin/instances/backup/?file=removed").content.decode()
    assert (kept.file in listed, other.file in listed) == (True, False)
    tested = admin_client.get("/admin/instances/backup/?restored=yes").content.decode()
    assert (kept.file in tested, other.file in tested) == (True, False)
    page = admin_client.get(f"/admin/instances/backup/{other.pk}/change/").content.decode()
    assert other.sha256 in page
    assert f"manage.py restore_backup {other.pk} --into" in page
    for verb in ("post", "put", "delete"):
        assert getattr(admin_client, verb)(f"/api/v1/backups/{other.pk}/").status_code == 405


def test_a_restore_test_removes_only_what_it_has_made(
    my: Instance, mariadb: Any, pg: Instance, postgres: Any, lite: Instance, tmp_path: Path
) -> None:
    """Another installation may be using that name at this moment."""
    for instance, server, name in ((my, mariadb, NAME), (pg, postgres, NAME), (lite, None, "")):
        row = backups.backup(instance, name, keep=3)
        scratch = backups.SCRATCH.format(number=row.pk)
        if server is None:
            theirs = tmp_path / "files" / f"{scratch}.sqlite3"
            theirs.write_bytes(b"theirs")
        else:
            server.sql(f"CREATE DATABASE {server.quote(scratch)}")
        try:
            with pytest.raises(DialectError, match=r"exist|already"):
                backups.test_restore(row)
            if server is None:
                assert theirs.read_bytes() == b"theirs"
            else:
                sizes = instance.kind.database_sizes(instance.target()).databases
                assert scratch in {one.name for one in sizes}
        finally:
            if server is not None:
                server.sql(f"DROP DATABASE IF EXISTS {server.quote(scratch)}")
