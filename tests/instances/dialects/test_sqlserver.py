"""The dialect of SQL Server against recorded answers of its catalogue."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from typing import Any

import pytest

from instances.dialects import DIALECTS, sqlserver, sqlserver_accounts, tables
from instances.dialects.access import Holder, gather
from instances.dialects.grants import Grant
from instances.dialects.target import ConnectionOptions, ConnectionTarget
from instances.exceptions import (
    AccessDenied,
    DriverMissing,
    NotSupported,
    QueryFailed,
    Stopped,
    TimedOut,
    Unreachable,
)
from tests.instances.dialects.recorded import Driver, Error

dialect = DIALECTS["sqlserver"]
TARGET = ConnectionTarget(host="db.example.com", username="jobsite", password="s3same open »x«")
PAGE = 8192
ODD = "a]b 'c\" 数据"


def inside(database: str, **answers: Any) -> dict[str, Any]:
    quoted = sqlserver.quoted(database)
    return {
        getattr(sqlserver_accounts, name).format(database=quoted): answers.get(name, ())
        for name in ("USERS", "MEMBERS", "PERMISSIONS")
    }


ANSWERS: dict[str, Any] = {
    sqlserver.VERSION: [("16.0.4105.2", "Developer Edition (64-bit)")],
    sqlserver.RIGHTS: [("[jobsite]", 1, 1, 0)],
    sqlserver.SIZES: [("Sales", 1_000 * PAGE, 128 * PAGE), ("hidden", None, None), (ODD, 3_000_000_000 * PAGE, PAGE)],
    sqlserver_accounts.PRINCIPALS: [
        ("sa", "S", 0, "0x01", "master", True, False, 0, 0),
        ("public", "R", 0, "0x02", None, None, None, None, None),
        ("sysadmin", "R", 0, "0x03", None, None, None, None, None),
        ("app", "S", 0, "0xA1B2", "Sales", True, True, 1, 1),
        ("CORP\\dba", "U", 0, "0xC3", "master", None, None, None, None),
        ("old", "S", 1, "0xD4", "master", False, False, 0, 0),
    ],
    sqlserver_accounts.SERVER_MEMBERS: [("sysadmin", "sa"), ("sysadmin", "CORP\\dba")],
    sqlserver_accounts.SERVER_PERMISSIONS: [
        ("app", "SERVER", "CONNECT SQL", "G", None),
        ("app", "SERVER", "ALTER ANY LOGIN", "W", None),
        ("old", "ENDPOINT", "CONNECT", "G", "TSQL Default TCP"),
    ],
    sqlserver_accounts.DATABASES: [("Sales", 1), (ODD, 1), ("offline", 0)],
    **inside(
        "Sales",
        USERS=[
            ("dbo", "S", "sa"), ("app_user", "S", "app"), ("db_owner", "R", None), ("db_datareader", "R", None),
            ("public", "R", None), ("readers", "R", None), ("contained", "S", None),
        ],
        MEMBERS=[("readers", "app_user"), ("db_datareader", "readers"), ("db_owner", "dbo")],
        PERMISSIONS=[
            ("app_user", 0, "CONNECT", "G", None, None, None),
            ("app_user", 3, "EXECUTE", "W", "dbo", None, None),
            ("app_user", 1, "UPDATE", "G", "dbo", "Orders", None),
            ("app_user", 1, "SELECT", "G", "dbo", "People", "名前"),
            ("app_user", 1, "DELETE", "D", "dbo", "Orders", None), ("readers", 1, "DELETE", "G", "dbo", "Orders", None),
        ],
    ),
    **inside(ODD, USERS=[("public", "R", None)]),
}  # fmt: skip


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    return Driver(dict(ANSWERS)).install("pymssql", monkeypatch)


def test_a_test_tells_version_and_missing_rights(driver: Driver) -> None:
    reading = dialect.test(TARGET)
    assert (reading.version, reading.main_version) == ("16.0.4105.2 Developer Edition (64-bit)", "16.0.4105")
    assert reading.rights is not None
    assert len(reading.rights.found) == 2
    assert [one.statement for one in reading.rights.missing] == ["GRANT CONNECT ANY DATABASE TO [jobsite];"]
    assert driver.connection.closed


def test_how_it_connects(driver: Driver) -> None:
    options = ConnectionOptions(tls="require", connect_timeout_seconds=1.5, statement_timeout_seconds=20)
    dialect.test(
        ConnectionTarget(host="h", port=1444, database="Sales", username="u", password="p", options=options)
    )
    assert driver.arguments == {
        "server": "h", "port": "1444", "user": "u", "password": "p", "database": "Sales", "login_timeout": 2,
        "timeout": 20, "encryption": "require", "tds_version": "7.4", "appname": "jobsite", "autocommit": True,
    }  # fmt: skip


def test_sizes_are_whole_bytes_with_the_log_apart(driver: Driver) -> None:
    reading = dialect.database_sizes(TARGET)
    found = {one.name: one for one in reading.databases}
    assert (found["Sales"].total_bytes, found["Sales"].data_bytes, found["Sales"].index_bytes) == (
        1_128 * PAGE, 1_000 * PAGE, 128 * PAGE,
    )  # fmt: skip
    assert found[ODD].total_bytes == 3_000_000_001 * PAGE
    assert (found["hidden"].total_bytes, bool(found["hidden"].reason)) == (None, True)
    assert "VIEW ANY DEFINITION" in reading.notes[0]
    assert reading.complete


def test_accounts_with_rights_of_server_and_databases(driver: Driver) -> None:
    reading = dialect.accounts(TARGET)
    found = {one.name: one for one in reading.accounts}
    assert reading.unread_databases == ("offline",)
    assert found["sa"].superuser
    assert found["CORP\\dba"].superuser
    assert (found["public"].kind, found["sysadmin"].kind) == ("public", "role")
    assert (found["old"].locked, found["sa"].locked) == (True, False)
    app = found["app"]
    assert (app.superuser, app.locked, app.grant_admin, app.server_id) == (False, True, True, "0xA1B2")
    assert app.attributes["password_expired"]
    assert set(app.grants or ()) == {
        Grant("global", (), "CONNECT SQL"),
        Grant("global", (), "ALTER ANY LOGIN", True),
        Grant("role", ("public@Sales",), "MEMBER"),
        Grant("role", ("readers@Sales",), "MEMBER"),
        Grant("database", ("Sales",), "CONNECT"),
        Grant("schema", ("Sales", "dbo"), "EXECUTE", True),
        Grant("object", ("Sales", "dbo", "Orders"), "UPDATE"),
        Grant("column", ("Sales", "dbo", "People", "名前"), "SELECT"),
        Grant("restriction", ("Sales", "dbo", "Orders"), "NOT DELETE"),
    }
    assert found["readers@Sales"].kind == "role"
    assert (found["contained@Sales"].kind, found["contained@Sales"].locked) == ("user", False)
    assert Grant("owner", ("Sales",), "OWNER") in (found["sa"].grants or ())
    assert f"public@{ODD}" in found


def test_no_hash_is_asked_for(driver: Driver) -> None:
    dialect.accounts(TARGET)
    assert len(driver.connection.asked) == 11
    assert not [one for one in driver.connection.asked if "password_hash" in one.lower()]


def test_a_database_that_fails_does_not_stop_the_others(driver: Driver) -> None:
    statement = sqlserver_accounts.USERS.format(database="[Sales]")
    driver.connection.answers[statement] = Error((916, b"not able to access the database"))
    reading = dialect.accounts(TARGET)
    assert reading.unread_databases == ("Sales", "offline")
    assert any("not able to access" in note for note in reading.notes)
    assert f"public@{ODD}" in {one.name for one in reading.accounts}


def test_who_may_read_and_write(driver: Driver) -> None:
    accounts = dialect.accounts(TARGET).accounts
    grants = {one.name: one.grants or () for one in accounts}

    def reasons(name: str, action: str, database: str) -> set[str]:
        holder = Holder(name, False, gather(name, grants, dialect.everybody))
        return {f"{held.grant.right} {held.grant.on}" for held in dialect.access(action, database, holder)}

    assert reasons("app", "read", "Sales") == {
        "MEMBER ('db_datareader@Sales',)", "SELECT ('Sales', 'dbo', 'People', '名前')",
    }  # fmt: skip
    assert reasons("app", "write", "Sales") == {"UPDATE ('Sales', 'dbo', 'Orders')"}
    assert reasons("app", "read", ODD) == set()
    assert reasons("old", "read", "Sales") == set()
    assert "OWNER ('Sales',)" in reasons("sa", "write", "Sales")


def test_what_was_for_reading_is_rolled_back(driver: Driver) -> None:
    driver.connection.answers["SELECT 1"] = [(1,), (2,), (3,)]
    found = dialect.run(TARGET, tables.script("SELECT 1", writes=False, most_rows=2))
    assert (found.rows, found.cut) == (((1,), (2,)), True)
    assert driver.connection.asked == ["BEGIN TRANSACTION", "SELECT 1", "ROLLBACK TRANSACTION"]
    dialect.run(TARGET, tables.script("DELETE FROM t; DELETE FROM u", writes=True, most_rows=2))
    assert driver.connection.asked[3:] == [
        "BEGIN TRANSACTION", "DELETE FROM t", "DELETE FROM u", "COMMIT TRANSACTION",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Error((18456, b"Login failed for user 'jobsite' s3same open \xc2\xbbx\xc2\xab")), AccessDenied),
        (Error(18456, "Login failed"), AccessDenied),
        (Error((20003, b"Adaptive Server connection timed out")), TimedOut),
        (Error((20009, b"Unable to connect")), Unreachable),
        (Error((20009, b"DB-Lib error message 20003, severity 6: connection timed out")), TimedOut),
        (Error((208, b"Invalid object name")), QueryFailed),
        (Error(), QueryFailed),
    ],
)
def test_errors_are_ours_and_tell_no_password(driver: Driver, error: Error, kind: type[Exception]) -> None:
    driver.refusal = error
    with pytest.raises(kind) as caught:
        dialect.test(TARGET)
    assert TARGET.password not in str(caught.value)


def test_modes_of_tls_that_the_driver_cannot_keep_are_refused(make_instance: Any) -> None:
    from django.core.exceptions import ValidationError

    options = {"tls": "verify-full", "tls_ca": "/etc/ssl/cert.pem"}
    with pytest.raises(ValidationError, match="verifies no certificate"):
        make_instance(dialect="sqlserver", options=options)
    assert make_instance(dialect="sqlserver", options={"tls": "require"}).effective_port == 1433


def test_without_the_driver_its_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymssql", None)
    with pytest.raises(DriverMissing, match=r"requirements-sqlserver\.txt"):
        dialect.test(TARGET)


def test_backups_are_not_made_here(tmp_path: Any) -> None:
    with pytest.raises(NotSupported, match="its own means"):
        dialect.dump(TARGET, tmp_path / "x")


SLOW = "SELECT SLOW FROM PEOPLE"


def watched(text: str, *answers: bool, writes: bool = False) -> tables.Script:
    """A script of somebody who answers so when asked whether it should end, and "yes" from then on."""
    asked = iter(answers)
    script = tables.script(text, writes=writes, most_rows=5)
    return replace(script, stopped=lambda: next(asked, True))


def test_a_cancelled_run_ends_its_statement(driver: Driver) -> None:
    driver.connection.endless.add(SLOW)
    with pytest.raises(Stopped):
        dialect.run(TARGET, watched(SLOW, False, False))
    assert (driver.connection.cancelled, driver.connection.closed) == (True, True)
    assert driver.connection.asked[-1] == SLOW


def test_a_cancelled_script_changes_nothing(driver: Driver) -> None:
    """Between two statements, too; without a COMMIT the server takes back what was done."""
    with pytest.raises(Stopped):
        dialect.run(TARGET, watched("DELETE FROM A; DELETE FROM B", False, False, writes=True))
    assert not [one for one in driver.connection.asked if one == "DELETE FROM B" or "COMMIT" in one]
    assert "DELETE FROM A" in driver.connection.asked
    assert driver.connection.closed


def test_its_own_time_ends_it(driver: Driver) -> None:
    driver.connection.endless.add(SLOW)
    target = replace(TARGET, options=ConnectionOptions(statement_timeout_seconds=0.3))
    with pytest.raises(TimedOut, match=r"0\.3 s"):
        dialect.run(target, tables.script(SLOW, writes=False, most_rows=5))
    assert driver.connection.closed


def test_the_drivers_callback_is_one_for_all_and_waits_for_nobody_else(driver: Driver) -> None:
    dialect.test(TARGET)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        driver.connection.callback(ours.fileno())  # comes back although nothing has come
