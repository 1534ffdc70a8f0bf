from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from instances.dialects import DIALECTS, sqlite
from instances.dialects.target import ConnectionOptions, ConnectionTarget
from instances.exceptions import PathRefused, QueryFailed, TimedOut

dialect = DIALECTS["sqlite"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "files" / "it's 100%? #1.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (b)")
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
        connection.execute("DELETE FROM t")
        connection.commit()
    return path


def target(path: Path | str, **options: Any) -> ConnectionTarget:
    return ConnectionTarget(database=str(path), options=ConnectionOptions(**options))


def test_it_reads_pages(file: Path) -> None:
    (size,) = dialect.database_sizes(target(file)).databases
    assert size.name == file.name
    assert size.total_bytes == file.stat().st_size
    assert size.data_bytes is not None
    assert 0 < size.data_bytes < size.total_bytes
    assert dialect.test(target(file)).main_version == sqlite3.sqlite_version


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "relative.sqlite3",
        "",
        "{files}/../outside.sqlite3",
        "{files}/link",
        "{files}/folder/x",
        "file:{files}/a",
        "{files}/\0",
    ],
)
def test_it_stays_under_its_roots(name: str, tmp_path: Path) -> None:
    files = tmp_path / "files"
    outside = tmp_path / "outside.sqlite3"
    with contextlib.closing(sqlite3.connect(outside)) as connection:
        connection.execute("CREATE TABLE t (b)")
    (files / "link").symlink_to(outside)
    (files / "folder").symlink_to(tmp_path)
    with pytest.raises(PathRefused, match=f"{files}|files may lie"):
        dialect.database_sizes(target(name.format(files=files)))


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "files" / "new.sqlite3"
    with pytest.raises(PathRefused, match="no file"):
        dialect.test(target(path))
    assert not path.exists()


def test_no_roots_no_files(file: Path, settings: Any) -> None:
    settings.JOBSITE_SQLITE_ROOTS = []
    with pytest.raises(PathRefused, match="JOBSITE_SQLITE_ROOTS"):
        dialect.test(target(file))


@pytest.mark.parametrize(
    "statement", ["INSERT INTO t VALUES (1)", "CREATE TABLE u (a)", "DROP TABLE t", "PRAGMA user_version = 3"]
)
def test_nothing_can_be_written(statement: str, file: Path) -> None:
    with pytest.raises(QueryFailed, match="readonly"), sqlite.connect(target(file)) as connection:
        connection.execute(statement)


def test_no_other_file_can_be_attached(file: Path, tmp_path: Path) -> None:
    for other in (tmp_path / "outside.sqlite3", file):
        with pytest.raises(QueryFailed, match="not authorized"), sqlite.connect(target(file)) as connection:
            connection.execute("ATTACH ? AS other", (str(other),))
    assert not (tmp_path / "outside.sqlite3").exists()


def test_an_endless_statement_ends(file: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(TimedOut), sqlite.connect(target(file, statement_timeout_seconds=0.2)) as connection:
        connection.execute(endless).fetchone()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "files" / "notes.txt"
    path.write_text("not a database at all " * 100)
    with pytest.raises(QueryFailed, match="not a database"):
        dialect.database_sizes(target(path))
