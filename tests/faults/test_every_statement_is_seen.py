"""Pain 27: a statement that the fail points do not see is one that nobody dies at. There is none."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.faults.failpoints import BEFORE, ENGINE, read_driver, read_steps

#: The database's own ways, beside Django's cursors; and doors to other connections than the one that is watched.
DRIVERS = {"psycopg", "psycopg2", "MySQLdb", "pymysql", "sqlite3"}
WAYS_PAST = {
    "connection",  # of a connection: the driver's own
    "get_new_connection", "create_cursor", "make_cursor", "callproc", "copy_expert", "copy_from", "copy_to",
    "executescript", "execute_wrappers", "set_autocommit", "_commit", "_rollback",
    "using", "db_manager",
}  # fmt: skip
#: Files that touch the driver's connection, or the driver, and send no statement by it that changes a row.
HARMLESS = {
    "sql/__init__.py": "asks only whether it still is the same connection",
    "sql/sqlite.py": "bounds how long it may read; its own driver makes checkpoints, which change no row",
    "engine/silence.py": "shuts its socket",
    "engine/run.py": "closes it",
}


def ways_past(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of whatever could reach the database past the hook."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").partition(".")[0]]
        elif isinstance(node, ast.Attribute) and node.attr in WAYS_PAST:
            yield node.lineno, node.attr
            continue
        else:
            continue
        yield from ((node.lineno, name) for name in names if name in DRIVERS)


def test_the_source_knows_no_way_past_the_hook() -> None:
    """Commits are Django's, statements go through its cursors, and there is one connection."""
    found, harmless = [], set()
    for path in sorted(Path(ENGINE).rglob("*.py")):
        name = path.relative_to(ENGINE).as_posix()
        for line, way in ways_past(path.read_text()):
            if name.startswith("migrations/"):  # no scheduler process runs them
                continue
            if (way == "connection" and name in HARMLESS) or (name, way) == ("sql/sqlite.py", "sqlite3"):
                harmless.add(name)
            else:
                found.append(f"{name}:{line} {way}")
    assert found == []
    assert harmless == HARMLESS.keys(), "an exception that nothing needs any more"


@pytest.mark.parametrize(
    "source",
    [
        "import sqlite3",
        "from psycopg2.extras import execute_values",
        "connection.connection.cursor().execute('SELECT 1')",
        "connection._commit()",
        "transaction.set_autocommit(False)",
        "Execution.objects.using('other').all()",
    ],
)
def test_a_way_past_the_hook_is_found(source: str) -> None:
    """The control."""
    assert list(ways_past(source))


@pytest.mark.processes
def test_the_driver_sends_what_the_hook_has_seen(recorded: Path) -> None:
    """Counted below Django, by SQLite itself, from the start of a scheduler to its end."""
    if connection.vendor != "sqlite":
        pytest.skip(
            "only SQLite's driver tells what it is given; the other databases share all code but sql/*.py"
        )
    seen: Counter[str] = Counter()
    for point, times in read_steps(recorded).items():
        if point.moment == BEFORE:
            seen[point.verb] += times
    sent = read_driver(recorded)
    assert sent == seen
    assert sent["COMMIT"] > 15
