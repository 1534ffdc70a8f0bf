"""A person's own statements on real servers: they read, within limits, unless asked otherwise."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from instances import tasks
from instances.dialects.tables import script
from instances.exceptions import CollectionFailed, StatementRefused
from instances.models import Instance
from instances.services import statements
from scheduling import registry
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

NAME = f'{PREFIX}sql "x"'


@pytest.fixture
def servers(of_server: Any, postgres: Any, mariadb: Any) -> Iterator[list[Instance]]:
    """Both with a table of three rows, in a database of their own."""
    rows = "INSERT INTO t VALUES (1, 'a;b'), (2, NULL), (3, '销售 😀')"
    for server in (postgres, mariadb):
        server.sql(
            f"CREATE DATABASE {server.quote(NAME)}" + (" CHARACTER SET utf8mb4" if server is mariadb else "")
        )
        server.run(["CREATE TABLE t (n int PRIMARY KEY, s varchar(20))", rows], database=NAME)
    yield [of_server(postgres, "pg", database=NAME), of_server(mariadb, "my", database=NAME)]
    for server in (postgres, mariadb):
        server.sql(f"DROP DATABASE {server.quote(NAME)}")


def counts(*servers: Any) -> list[int]:
    return [server.sql("SELECT COUNT(*) FROM t", database=NAME)[0][0] for server in servers]


def test_a_table_from_each(servers: list[Instance]) -> None:
    answers = statements.run(servers, "SELECT n, s FROM t ORDER BY n; -- all of them")
    for answer in answers:
        assert answer.table is not None, answer.error
        assert answer.table.columns == ("n", "s")
        assert answer.table.rows == ((1, "a;b"), (2, None), (3, "销售 😀"))
        assert not answer.table.cut
        assert statements.as_csv(answer.table) == "n,s\n1,a;b\n2,\n3,销售 😀\n"


def test_no_more_rows_than_asked_for(servers: list[Instance]) -> None:
    for answer in statements.run(servers, "SELECT n FROM t ORDER BY n", most_rows=2):
        assert answer.table is not None
        assert (len(answer.table.rows), answer.table.cut) == (2, True)


def test_no_more_time_than_asked_for(servers: list[Instance]) -> None:
    began = time.monotonic()
    answers = [
        *statements.run(servers[:1], "SELECT pg_sleep(30)", seconds=0.3),
        *statements.run(servers[1:], "SELECT SLEEP(30)", seconds=0.3),
    ]
    assert time.monotonic() - began < 25
    assert all(answer.table is None and answer.error for answer in answers)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (9, 'x')",
        "DELETE FROM t",
        "COMMIT",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SELECT 1; DELETE FROM t",
        "SELECT 1; COMMIT; DELETE FROM t",
        "SELECT ';' ; DELETE FROM t",
        "/* SELECT */ DROP TABLE t",
        "",
        " ; ",
        "-- nothing",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1\0",
    ],
)
def test_what_is_refused_before_it_is_sent(text: str, make_instance: Any) -> None:
    with pytest.raises(StatementRefused):
        statements.run([make_instance()], text)


@pytest.mark.parametrize(
    "text",
    [
        "WITH gone AS (DELETE FROM t RETURNING n) SELECT n FROM gone",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "EXPLAIN ANALYZE DELETE FROM t",
        "SELECT nextval('s')",
    ],
)
def test_what_the_server_refuses_or_does_not_keep(text: str, servers: list[Instance], postgres: Any) -> None:
    postgres.sql("CREATE SEQUENCE s", database=NAME)
    (answer,) = statements.run(servers[:1], text)
    assert answer.table is None
    assert "read-only" in answer.error or "cursor" in answer.error.lower() or "read-write" in answer.error
    assert counts(postgres) == [3]


def test_writing_is_one_transaction(servers: list[Instance], postgres: Any, mariadb: Any) -> None:
    text = "INSERT INTO t VALUES (4, 'x;y'); UPDATE t SET s = 'z' WHERE n < 3; SELECT COUNT(*) AS c FROM t"
    for answer in statements.run(servers, text, writes=True):
        assert answer.table is not None, answer.error
        assert (answer.table.columns, answer.table.rows, answer.table.changed) == (("c",), ((4,),), 3)
    assert counts(postgres, mariadb) == [4, 4]
    broken = "DELETE FROM t; INSERT INTO nowhere VALUES (1)"
    assert all(answer.table is None for answer in statements.run(servers, broken, writes=True))
    assert counts(postgres, mariadb) == [4, 4]


def test_one_failure_is_its_own(servers: list[Instance], make_instance: Any) -> None:
    dead = make_instance("dead", host="127.0.0.1", port=1)
    answers = statements.run([dead, *servers], "SELECT 1 AS one")
    assert [answer.table is None for answer in answers] == [True, False, False]
    result = tasks.run_sql(["dead", "pg"], "SELECT 1 AS one")
    assert (result["status"], list(result["errors"])) == ("partly_failed", ["dead"])
    assert result["answers"]["pg"]["rows"] == ((1,),)
    with pytest.raises(CollectionFailed, match="dead"):
        tasks.run_writing_sql(["dead", "pg"], "CREATE TABLE u (n int)")


def test_a_mistake_is_told_without_our_own_words(servers: list[Instance], make_instance: Any) -> None:
    """The line that PostgreSQL repeats began with the cursor that we declare, and its mark pointed nowhere."""
    (answer,) = statements.run(servers[:1], "SELECT lenght(s) FROM t")
    assert answer.error.startswith("function lenght(character varying) does not exist. No function matches")
    assert "DECLARE" not in answer.error
    assert "LINE" not in answer.error
    assert "^" not in answer.error
    (answer,) = statements.run([make_instance("away", host="127.0.0.1", port=1, database="x")], "SELECT 1")
    assert "Connection refused. Is the server running" in answer.error


def test_another_database(servers: list[Instance]) -> None:
    Instance.objects.update(database="")
    for answer in statements.run(list(Instance.objects.all()), "SELECT COUNT(*) FROM t", database=NAME):
        assert answer.table is not None, answer.error
        assert answer.table.rows == ((3,),)


def test_sqlite_reads(make_instance: Any, tmp_path: Path) -> None:
    path = tmp_path / "files" / "a.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t AS SELECT 1 AS n, x'00ff' AS b")
    database.close()
    lite = make_instance("lite", dialect="sqlite", host="", database=str(path))
    (answer,) = statements.run([lite], "SELECT * FROM t")
    assert answer.table is not None
    assert answer.table.rows == ((1, "0x00ff"),)
    assert "only read" in statements.run([lite], "DELETE FROM t", writes=True)[0].error


def test_each_has_a_permission_of_its_own() -> None:
    assert registry.get("run_sql").permission == "instances.run_sql"
    assert registry.get("run_writing_sql").permission == "instances.run_writing_sql"


def test_the_command(servers: list[Instance]) -> None:
    output = StringIO()
    options = {"instance": ["pg"], "stdout": output, "stderr": StringIO()}
    call_command("run_sql", "SELECT n FROM t ORDER BY n", json=True, **options)
    assert json.loads(output.getvalue())["rows"] == [[1], [2], [3]]
    with pytest.raises(CommandError, match="begins with"):
        call_command("run_sql", "DELETE FROM t", **options)
    with pytest.raises(CommandError, match="nowhere"):
        call_command("run_sql", "SELECT * FROM nowhere", **options)


def test_a_script_is_taken_apart_where_its_statements_end() -> None:
    found = script("SELECT 'a;b'; -- c;\nSELECT $$x;y$$;", writes=True, most_rows=1)
    assert len(found.statements) == 2
