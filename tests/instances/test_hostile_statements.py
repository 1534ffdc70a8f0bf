"""Statements of somebody who means harm, or knows no better: refused, without effect, or ended."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import MySQLdb
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from instances.dialects import tables
from instances.dialects.tables import script
from instances.exceptions import StatementRefused
from instances.models import Instance, StatementRun
from instances.services import statements
from scheduling.context import NullRun, RunCancelled
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

NAME = f"{PREFIX}hostile"

# Other tests read the rights of all databases of these servers meanwhile, of this one too.
AT_WORK_ON_POSTGRES = """
SELECT pid, query_start, query FROM pg_stat_activity
WHERE datname = %s AND wait_event = 'PgSleep'
"""
AT_WORK_ON_MARIADB = """
SELECT id, command, time_ms, state, info FROM information_schema.processlist
WHERE db = %s AND info LIKE '%%BENCHMARK(1e15%%'
"""


def still_there(look: Callable[[], list[Any]], seconds: float = 10) -> list[Any]:
    """What is there in the end; as soon as there is nothing, nothing."""
    end = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


class CancelledWhen(NullRun):
    """A run that somebody cancels once the condition holds."""

    __slots__ = ("_condition",)

    def __init__(self, condition: Callable[[], Any]) -> None:
        super().__init__()
        self._condition = condition

    def check_cancelled(self) -> None:
        if self._condition():
            raise RunCancelled("by_person")


@pytest.fixture
def pg(of_server: Any, postgres: Any) -> Iterator[Instance]:
    postgres.sql(f"CREATE DATABASE {NAME}")
    postgres.run(
        [
            "CREATE TABLE t (n int)",
            "CREATE FUNCTION put() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING n'",
        ],
        database=NAME,
    )
    yield of_server(postgres, "pg", database=NAME)
    postgres.sql(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.fixture
def my(of_server: Any, mariadb: Any) -> Iterator[Instance]:
    mariadb.sql(f"CREATE DATABASE {NAME}")
    body = "BEGIN INSERT INTO t VALUES (1); RETURN 1; END"
    mariadb.run(
        ["CREATE TABLE t (n int)", f"CREATE FUNCTION put() RETURNS int MODIFIES SQL DATA {body}"],
        database=NAME,
    )
    yield of_server(mariadb, "my", database=NAME)
    mariadb.sql(f"DROP DATABASE {NAME}")


@pytest.fixture
def lite(make_instance: Any, tmp_path: Path) -> Instance:
    path = tmp_path / "files" / "a.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (n)")
    found: Instance = make_instance("lite", dialect="sqlite", host="", database=str(path))
    return found


@pytest.mark.parametrize(
    "text",
    [
        "SET ROLE postgres",
        "COPY t TO PROGRAM 'touch /tmp/x'",
        "COPY t FROM '/etc/passwd'",
        "DO $$ BEGIN DELETE FROM t; END $$",
        "CALL anything()",
        "PRAGMA journal_mode = DELETE",
        "ATTACH '/etc/passwd' AS x",
        "VACUUM INTO '/tmp/x'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
        "HANDLER t OPEN",
        "ANALYZE SELECT put()",
        "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */",
        "SELECT 1 /*M!100100 INTO OUTFILE '/tmp/x' */",
        "SELECT 1 INTO/**/OUTFILE '/tmp/x'",
        "SELECT 1 INTO -- x\n DUMPFILE '/tmp/x'",
        "SELECT '\\' INTO /**/ OUTFILE '/tmp/x' -- '",
        "SELECT pg_terminate_backend(1)",
        "SELECT PG_RELOAD_CONF ()",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT * FROM dblink('', 'DELETE FROM t') AS x(n int)",
        "SELECT LOAD_FILE('/etc/passwd')",
        "SELECT load_extension('/tmp/x.so')",
    ],
)
def test_refused_before_anything_is_sent(text: str) -> None:
    with pytest.raises(StatementRefused):
        script(text, writes=False, most_rows=1)


@pytest.mark.parametrize("text", ["SELECT 5--1", "SELECT 5 # 3", "SELECT 1 /* /* a */ */"])
def test_what_servers_read_differently_is_refused_instead_of_changed(text: str) -> None:
    with pytest.raises(StatementRefused, match="Not every server"):
        script(text, writes=False, most_rows=1)


@pytest.mark.parametrize(
    "text", ["SELECT 1 -- one", "/* first */ SELECT 1", "SELECT /*+ x */ 1", "(SELECT 1)"]
)
def test_harmless_comments_stay_harmless(text: str, pg: Instance, my: Instance) -> None:
    for answer in statements.run([pg, my], text):
        assert answer.table is not None, answer.error
        assert answer.table.rows == ((1,),)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT put()",
        "WITH x AS (SELECT put() AS n) SELECT n FROM x",
        "EXPLAIN ANALYZE SELECT put()",
        "SELECT query_to_xml('DELETE FROM t', true, true, '')",
        "SELECT set_config('default_transaction_read_only', 'off', false), put()",
    ],
)
def test_functions_that_write_do_not_on_postgresql(text: str, pg: Instance, postgres: Any) -> None:
    (answer,) = statements.run([pg], text)
    assert answer.table is None
    assert postgres.sql("SELECT count(*) FROM t", database=NAME) == [(0,)]


@pytest.mark.parametrize("text", ["SELECT put()", "WITH x AS (SELECT put() AS n) SELECT n FROM x"])
def test_functions_that_write_do_not_on_mariadb(text: str, my: Instance, mariadb: Any) -> None:
    (answer,) = statements.run([my], text)
    assert answer.table is None
    assert "READ ONLY" in answer.error.upper()
    assert mariadb.sql("SELECT count(*) FROM t", database=NAME) == [(0,)]


def test_with_of_sqlite_deletes_nothing(lite: Instance) -> None:
    (answer,) = statements.run([lite], "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x")
    assert answer.table is None
    assert "readonly" in answer.error


def test_a_limit_of_ones_own_does_not_fill_the_memory(pg: Instance, my: Instance, lite: Instance) -> None:
    huge = {
        pg: "SELECT repeat('x', 100000) FROM generate_series(1, 20000) LIMIT 20000",
        my: "SELECT REPEAT('x', 100000) FROM seq_1_to_20000 LIMIT 20000",
        lite: "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT 20000)"
        " SELECT printf('%.*c', 100000, 'x') FROM s",
    }
    for instance, text in huge.items():
        tracemalloc.start()
        (answer,) = statements.run([instance], text, most_rows=10_000)
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.table is not None, answer.error
        assert answer.table.cut
        assert 0 < len(answer.table.rows) < 1_000
        assert len(answer.table.rows[0][0]) == tables.CELL_CHARACTERS
        assert peak < 4 * tables.MOST_BYTES, instance.name


def test_a_cell_that_is_too_long_is_an_error_not_a_dead_process(lite: Instance) -> None:
    (answer,) = statements.run([lite], "SELECT zeroblob(1000000000)")
    assert answer.table is None
    assert "too big" in answer.error


def test_values_that_json_does_not_have(pg: Instance, my: Instance) -> None:
    text = "SELECT 'NaN'::float8, 'Infinity'::float8, '\\x00ff'::bytea, 1e30::numeric, 'a\tb'"
    (answer,) = statements.run([pg], text)
    assert answer.table is not None
    assert json.loads(json.dumps(answer.table.rows, allow_nan=False))[0][:3] == ["nan", "inf", "0x00ff"]
    (answer,) = statements.run([my], "SELECT X'00ff', CAST('2026-01-02' AS date), 9007199254740993")
    assert answer.table is not None
    assert answer.table.rows == (("0x00ff", "2026-01-02", "9007199254740993"),)


@pytest.mark.parametrize("writes", [False, True])
def test_a_cancelled_statement_ends_on_the_server(
    writes: bool, pg: Instance, my: Instance, postgres: Any, mariadb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = {
        pg: ("SELECT pg_sleep(60)", lambda: postgres.sql(AT_WORK_ON_POSTGRES, (NAME,))),
        my: ("SELECT BENCHMARK(1e15, 1)", lambda: mariadb.sql(AT_WORK_ON_MARIADB, (NAME,))),
    }
    for instance, (text, running) in work.items():
        assert running() == []
        monkeypatch.setattr(statements, "current_run", lambda running=running: CancelledWhen(running))
        with pytest.raises(RunCancelled):
            statements.run([instance], text, writes=writes, seconds=50)
        assert still_there(running) == [], instance.name


def test_a_statement_is_cancelled_although_the_server_is_full_at_first(
    my: Instance, mariadb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def running() -> list[Any]:
        return mariadb.sql(AT_WORK_ON_MARIADB, (NAME,))

    def connect(**arguments: Any) -> Any:
        """Refuses whoever comes to end the statement, once."""
        if threading.current_thread().name == "mysql-watch" and not refused:
            refused.append(True)
            raise MySQLdb.OperationalError(1040, "Too many connections")
        return really(**arguments)

    refused: list[bool] = []
    really = MySQLdb.connect
    monkeypatch.setattr(MySQLdb, "connect", connect)
    monkeypatch.setattr(statements, "current_run", lambda: CancelledWhen(running))
    with pytest.raises(RunCancelled):
        statements.run([my], "SELECT BENCHMARK(1e15, 1)", seconds=50)
    assert refused
    assert still_there(running) == []


def test_a_cancelled_statement_of_sqlite(lite: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "current_run", lambda: CancelledWhen(lambda: True))
    began = time.monotonic()
    endless = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s) SELECT max(n) FROM s"
    with pytest.raises(RunCancelled):
        statements.run([lite], endless, seconds=50)
    assert time.monotonic() - began < 20


# --- the page and the API

PAGE, API = "/admin/instances/statementrun/run/", "/api/v1/sql/"


def login(*permissions: str) -> Client:
    user = get_user_model().objects.create_user("anna", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def form(*instances: Instance, statement: str, **more: str) -> dict[str, Any]:
    chosen = [instance.pk for instance in instances]
    return {"instances": chosen, "statement": statement, "max_rows": "5", "seconds": "5", **more}


def test_the_page_shows_a_table_for_each_and_writes_down_who_asked(
    pg: Instance, my: Instance, lite: Instance, make_instance: Any
) -> None:
    dead = make_instance("dead", host="127.0.0.1", port=1)
    client = login("run_sql")
    assert client.get(PAGE).status_code == 200
    chosen = (pg, my, lite, dead)
    page = client.post(
        PAGE, form(*chosen, statement="SELECT '<b>&' AS \"<i>\", NULL AS n, 1234567 AS m")
    ).content
    text = page.decode()
    assert text.count('<td class="name">&lt;b&gt;&amp;</td>') == 3
    assert "<b>&" not in text
    assert text.count('<span class="quiet">NULL</span>') == 3
    assert "1234567" in text
    row = StatementRun.objects.get()
    assert (row.by.get_username(), row.source, row.writes, row.rows) == ("anna", "admin", False, 3)
    assert (row.instances, list(row.errors)) == (["dead", "lite", "my", "pg"], ["dead"])
    assert row.run_ms is not None
    refused = client.post(PAGE, form(pg, statement="DROP TABLE t")).content.decode()
    assert "begins with one of" in refused
    assert StatementRun.objects.count() == 1


def test_as_csv_no_cell_is_a_formula(pg: Instance, lite: Instance) -> None:
    text = "SELECT '=cmd()' AS a, '-1' AS b, -1 AS c, 'x,\"y' AS d, NULL AS e"
    answer = login("run_sql").post(PAGE, form(pg, lite, statement=text, csv="1"))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    assert answer.content.decode("utf-8-sig").splitlines() == [
        "instance,a,b,c,d,e",
        'lite,\'=cmd(),\'-1,-1,"x,""y",',
        'pg,\'=cmd(),\'-1,-1,"x,""y",',
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"max_rows": "1001"}, {"seconds": "31"}, {"seconds": "0"}, {"instances": [10**9]}, {"instances": []}],
)
def test_the_page_has_its_bounds(wrong: dict[str, Any], lite: Instance) -> None:
    answer = login("run_sql").post(PAGE, form(lite, statement="SELECT 1") | wrong)
    assert (answer.status_code, StatementRun.objects.count()) == (200, 0)


def test_nobody_runs_anything_without_the_permission(lite: Instance) -> None:
    client = login("view_instance", "change_instance", "view_statementrun", "run_task")
    body = {"instances": ["lite"], "statement": "SELECT 1"}
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, form(lite, statement="SELECT 1")).status_code == 403
    assert client.post(API, body, "application/json").status_code == 403
    assert client.get("/admin/instances/statementrun/").status_code == 200
    assert not StatementRun.objects.exists()


def test_the_api(lite: Instance) -> None:
    client = login("run_sql")
    body = {"instances": ["lite"], "statement": "SELECT 1 AS one UNION SELECT 2", "max_rows": 1}
    (row,) = client.post(API, body, "application/json").json()
    assert row == {"instance": "lite", "error": "", "columns": ["one"], "rows": [[1]], "cut": True}
    for wrong, field in (
        ({"statement": "DELETE FROM t"}, "statement"),
        ({"instances": ["nobody"]}, "instances"),
        ({"instances": []}, "instances"),
        ({"max_rows": 1_001}, "max_rows"),
        ({"timeout_seconds": 31}, "timeout_seconds"),
        ({"writes": True}, "writes"),
    ):
        answer = client.post(API, body | wrong, "application/json")
        assert answer.status_code == 400
        assert field in answer.json()["errors"][0]["attr"]
    assert StatementRun.objects.get().source == "api"


def test_a_statement_that_was_cut_off_has_been_asked_all_the_same(
    lite: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "_visit", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        statements.run([lite], "SELECT 1")
    assert (StatementRun.objects.get().errors, StatementRun.objects.get().run_ms) == (None, None)
