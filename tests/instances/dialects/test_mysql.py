from __future__ import annotations

import builtins
import time
from collections.abc import Iterator
from typing import Any

import pytest

from instances.dialects import DIALECTS, mysql
from instances.dialects.target import ConnectionOptions
from instances.exceptions import (
    AccessDenied,
    DriverMissing,
    NothingVisible,
    QueryFailed,
    TimedOut,
    Unreachable,
)
from tests.instances.servers import PREFIX

dialect = DIALECTS["mysql"]
USER = f"{PREFIX}poor"


@pytest.fixture
def poor(mariadb: Any) -> Iterator[dict[str, str]]:
    """A user without any right."""
    for host in ("localhost", "%"):  # MariaDB takes the more exact of the two
        mariadb.sql("CREATE USER %s@%s IDENTIFIED BY 'x y'", (USER, host))
    yield {"username": USER, "password": "x y"}
    for host in ("localhost", "%"):
        mariadb.sql("DROP USER %s@%s", (USER, host))


def grant(mariadb: Any, rights: str) -> None:
    for host in ("localhost", "%"):
        mariadb.sql(f"GRANT {rights.replace('%', '%%')} TO %s@%s", (USER, host))


def file_bytes(mariadb: Any, name: str) -> int:
    """The server's InnoDB files of a schema, found by encoding its name (the dialect decodes)."""
    statement = """
        SELECT COALESCE(SUM(file_size), 0) FROM information_schema.innodb_sys_tablespaces
        WHERE LEFT(CAST(name AS BINARY), LENGTH(%s) + 1) = CONCAT(%s, '/')
    """
    ((folder,),) = mariadb.sql("SELECT CAST(CONVERT(%s USING filename) AS BINARY)", (name,))
    return int(mariadb.sql(statement, (folder, folder))[0][0])


def sizes(mariadb: Any, **who: str) -> dict[str, Any]:
    return {one.name: one for one in dialect.database_sizes(mariadb.target(**who)).databases}


def test_it_tells_mariadb_from_mysql(mariadb: Any) -> None:
    reading = dialect.test(mariadb.target())
    ((version,),) = mariadb.sql("SELECT VERSION()")
    assert reading.version == version
    assert reading.product == ("MariaDB" if "MariaDB" in version else "MySQL")
    assert version.startswith(reading.main_version)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("8.0.36", (8, 0, 36)),
        ("5.5.5-10.4.8-MariaDB-log", (10, 4, 8)),
        ("10.11.2-MariaDB", (10, 11, 2)),
        ("x", ()),
    ],
)
def test_main_version(version: str, numbers: tuple[int, ...]) -> None:
    assert mysql.main_version(version) == numbers


def test_it_sees_every_schema_and_the_same_bytes(mariadb: Any, mariadb_databases: list[str]) -> None:
    found = sizes(mariadb)
    listed = {name for (name,) in mariadb.sql("SHOW DATABASES") if name.startswith(PREFIX)}
    assert {name for name in found if name.startswith(PREFIX)} == listed == set(mariadb_databases)
    assert "mysql" in found
    assert not set(mysql.VIRTUAL_SCHEMAS) & set(found)
    first, empty, third, *others = mariadb_databases
    for name in [first, *others]:
        assert found[name].total_bytes == file_bytes(mariadb, name) > 0, name
        assert found[name].reason == ""
    assert found[first].total_bytes > 4_000_000
    assert found[empty].total_bytes == found[empty].data_bytes == 0
    ((data, index),) = mariadb.sql(
        "SELECT data_length, index_length FROM information_schema.tables WHERE table_schema = %s", (third,)
    )
    assert (found[third].data_bytes, found[third].index_bytes) == (data, index)
    assert found[third].total_bytes == data + index > 0


def test_a_user_without_rights_sees_nothing_and_says_so(mariadb: Any, poor: dict[str, str]) -> None:
    with pytest.raises(NothingVisible, match="GRANT PROCESS"):
        dialect.database_sizes(mariadb.target(**poor))


def test_a_user_of_one_schema_gets_its_statistics(
    mariadb: Any, mariadb_databases: list[str], poor: dict[str, str]
) -> None:
    third = mariadb_databases[2]
    grant(mariadb, f"SELECT ON {mariadb.quote(third)}.*")
    reading = dialect.database_sizes(mariadb.target(**poor))
    found = {one.name: one for one in reading.databases}
    assert third in found
    assert mariadb_databases[0] not in found
    assert found[third].total_bytes == sizes(mariadb)[third].total_bytes
    assert found[third].reason == ""
    assert "PROCESS" in reading.notes[0]


def test_a_schema_whose_tables_are_hidden_has_no_number(
    mariadb: Any, mariadb_databases: list[str], poor: dict[str, str]
) -> None:
    grant(mariadb, "SHOW DATABASES ON *.*")
    found = sizes(mariadb, **poor)
    assert found[mariadb_databases[0]].total_bytes is None
    assert found[mariadb_databases[0]].reason


def test_a_user_of_some_tables_is_told_that_more_may_exist(
    mariadb: Any, mariadb_databases: list[str], poor: dict[str, str]
) -> None:
    grant(mariadb, f"SELECT ON {mariadb.quote(mariadb_databases[2])}.m")
    assert "visible" in sizes(mariadb, **poor)[mariadb_databases[2]].reason


def test_process_shows_the_files_of_hidden_schemas(
    mariadb: Any, mariadb_databases: list[str], poor: dict[str, str]
) -> None:
    grant(mariadb, "PROCESS ON *.*")
    found = sizes(mariadb, **poor)
    for name in [mariadb_databases[0], *mariadb_databases[3:]]:
        assert found[name].total_bytes == file_bytes(mariadb, name), name
        assert "InnoDB" in found[name].reason


def test_the_documented_least_rights_are_enough(
    mariadb: Any, mariadb_databases: list[str], poor: dict[str, str]
) -> None:
    for line in dialect.least_rights.splitlines():
        if line.startswith("GRANT"):
            grant(mariadb, line.removeprefix("GRANT ").partition(" TO ")[0])
    mine, theirs = sizes(mariadb, **poor), sizes(mariadb)
    assert {name: mine[name] for name in mariadb_databases} == {
        name: theirs[name] for name in mariadb_databases
    }


def test_the_connection_is_read_only(mariadb: Any, mariadb_databases: list[str]) -> None:
    target = mariadb.target(database=mariadb_databases[0])
    for statement in ("INSERT INTO big VALUES (1)", "CREATE TABLE never (n int)"):
        with pytest.raises(QueryFailed, match=r"1792.*READ ONLY"), mysql.connect(target) as visit:
            visit.rows(statement)


def test_a_file_of_this_machine_is_never_sent(mariadb: Any) -> None:
    with pytest.raises(QueryFailed), mysql.connect(mariadb.target(database="mysql")) as visit:
        visit.rows("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE db")
    with mysql.connect(mariadb.target()) as visit:
        assert mysql._arguments(mariadb.target())["local_infile"] == 0
        assert visit.is_mariadb


def test_a_slow_statement_ends_at_its_timeout(mariadb: Any) -> None:
    began = time.monotonic()
    options = ConnectionOptions(statement_timeout_seconds=0.3)
    with pytest.raises(TimedOut), mysql.connect(mariadb.target(options=options)) as visit:
        visit.rows("SELECT SLEEP(30)")
    assert time.monotonic() - began < 20


def test_the_line_is_cut_when_the_server_does_not_keep_to_it(mariadb: Any) -> None:
    """The server's own limit is taken away; many short answers never reach the library's timeout."""
    began = time.monotonic()
    options = ConnectionOptions(statement_timeout_seconds=0.5)

    def dawdle() -> None:
        with mysql.connect(mariadb.target(options=options)) as visit:
            visit.rows("SET SESSION max_statement_time = 0")
            while time.monotonic() - began < 40:
                visit.rows("SELECT SLEEP(0.2)")

    with pytest.raises(TimedOut):
        dawdle()
    assert time.monotonic() - began < 30


def test_a_silent_server_costs_its_connect_timeout(silent_port: int, mariadb: Any) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut):
        dialect.test(mariadb.target(port=silent_port, options=ConnectionOptions(connect_timeout_seconds=1)))
    assert time.monotonic() - began < 20


def test_a_wrong_password_is_refused_and_not_repeated(mariadb: Any, poor: dict[str, str]) -> None:
    with pytest.raises(AccessDenied) as caught:
        dialect.test(mariadb.target(username=USER, password="not the password"))
    assert "not the password" not in str(caught.value)


def test_nobody_listens(mariadb: Any) -> None:
    with pytest.raises(Unreachable):
        dialect.test(mariadb.target(port=1))


def test_localhost_is_no_socket(mariadb: Any) -> None:
    assert mysql._arguments(mariadb.target(host="LocalHost"))["host"] == "127.0.0.1"


def test_tls_that_the_server_lacks_is_refused(mariadb: Any) -> None:
    if mariadb.sql("SHOW VARIABLES LIKE 'have_ssl'") == [("have_ssl", "YES")]:
        pytest.skip("this server speaks TLS")
    for mode in ("require", "verify-full"):
        options = ConnectionOptions(tls=mode, tls_ca="/etc/ssl/certs/ca-certificates.crt")
        with pytest.raises(Unreachable):
            dialect.test(mariadb.target(options=options))


def test_a_missing_driver_is_named(mariadb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name == "MySQLdb":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DriverMissing, match="mysqlclient"):
        dialect.test(mariadb.target())
