"""The dialect of Oracle against recorded answers of its dictionary."""

from __future__ import annotations

import ssl
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from instances.dialects import DIALECTS, oracle, oracle_accounts, tables
from instances.dialects.access import Holder, gather
from instances.dialects.grants import Grant
from instances.dialects.target import ConnectionOptions, ConnectionTarget
from instances.exceptions import AccessDenied, DriverMissing, QueryFailed, Stopped, TimedOut, Unreachable
from tests.instances.dialects.recorded import Driver, Error

dialect = DIALECTS["oracle"]
TARGET = ConnectionTarget(
    host="db.example.com", database="SALESPDB", username="jobsite", password="s3same open »x«"
)
EXPIRES = datetime(2027, 3, 1, 4, 5, 6, tzinfo=UTC)
HIDDEN = Error("ORA-00942: table or view does not exist")
LOOKS = {oracle.LOOK.format(view=view): [(1,)] for views, _word in oracle.VIEWS for view in views}

ANSWERS: dict[str, Any] = {
    oracle.PLACE: [("SALESPDB", "JOBSITE")],
    oracle.SIZES: [(10_737_418_240, 104_857_600)],
    oracle.SIZES_OF_ALL: [
        ("CDB$ROOT", 2**30, 2**20), ("SALESPDB", 10_737_418_240, None), ("Archiv 数据", None, None),
    ],
    **LOOKS,
    oracle_accounts.USERS: [
        ("APP", 108, "OPEN", EXPIRES.replace(tzinfo=None), "DEFAULT", "PASSWORD", "NO", "USERS"),
        ("OLD", 109, "EXPIRED & LOCKED", None, "DEFAULT", "PASSWORD", "NO", "USERS"),
        ("SYS", 0, "OPEN", None, "DEFAULT", "PASSWORD", "YES", "SYSTEM"),
        ("admin \"x'", 110, "LOCKED(TIMED)", None, "DEFAULT", "EXTERNAL", "NO", "USERS"),
    ],
    oracle_accounts.ROLES: [("CONNECT", "Y"), ("DBA", "Y"), ("OEM_MONITOR", "Y"), ("READERS", "N")],
    oracle_accounts.ROLE_GRANTS: [
        ("APP", "READERS", "YES", "YES"), ("READERS", "CONNECT", "NO", "YES"), ("admin \"x'", "DBA", "NO", "NO"),
        ("SYS", "DBA", "YES", "YES"),
    ],
    oracle_accounts.SYSTEM_GRANTS: [
        ("APP", "CREATE SESSION", "NO"), ("DBA", "SELECT ANY TABLE", "YES"), ("OLD", "GRANT ANY ROLE", "NO"),
    ],
    oracle_accounts.OBJECT_GRANTS: [
        ("APP", "SHOP", "Orders", None, "UPDATE", "YES", "TABLE"),
        ("READERS", "SHOP", "Orders", None, "SELECT", "NO", "TABLE"),
        ("APP", "SHOP", "People", "名前", "UPDATE", "NO", "COLUMN"),
        ("PUBLIC", "SHOP", "PRICE", None, "EXECUTE", "NO", "PROCEDURE"),
    ],
}  # fmt: skip


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    return Driver(dict(ANSWERS)).install("oracledb", monkeypatch)


def test_a_test_tells_version_and_missing_rights(driver: Driver) -> None:
    reading = dialect.test(TARGET)
    assert (reading.product, reading.main_version) == ("Oracle", "19.21.0")
    assert reading.rights is not None
    assert (len(reading.rights.found), reading.rights.missing) == (3, ())
    for view in ("dba_data_files", "dba_tab_privs"):
        driver.connection.answers[oracle.LOOK.format(view=view)] = HIDDEN
    rights = dialect.test(TARGET).rights
    assert rights is not None
    assert len(rights.found) == 1
    assert [one.statement for one in rights.missing] == [
        'GRANT SELECT ON sys.dba_data_files TO "JOBSITE";',
        'GRANT SELECT ON sys.dba_tab_privs TO "JOBSITE";',
    ]
    assert driver.connection.closed


def test_how_it_connects(driver: Driver) -> None:
    dialect.test(TARGET)
    assert driver.arguments == {
        "user": "jobsite", "password": TARGET.password, "host": "db.example.com", "port": 1521,
        "service_name": "SALESPDB", "protocol": "tcp", "tcp_connect_timeout": 3,
    }  # fmt: skip


def test_a_silent_server_costs_its_connect_timeout(driver: Driver) -> None:
    driver.silent = True
    options = ConnectionOptions(connect_timeout_seconds=0.2)
    with pytest.raises(TimedOut, match=r"0\.2 s"):
        dialect.test(ConnectionTarget(host="h", database="x", username="u", options=options))


@pytest.mark.parametrize(
    ("mode", "verifies", "checks_name"),
    [
        ("require", ssl.CERT_NONE, False),
        ("verify-ca", ssl.CERT_REQUIRED, False),
        ("verify-full", ssl.CERT_REQUIRED, True),
    ],
)
def test_tls(driver: Driver, mode: str, verifies: Any, checks_name: bool) -> None:
    options = ConnectionOptions(tls=mode)
    dialect.test(ConnectionTarget(host="h", database="x", username="u", options=options))
    context = driver.arguments["ssl_context"]
    assert (driver.arguments["protocol"], context.verify_mode, context.check_hostname) == (
        "tcps", verifies, checks_name,
    )  # fmt: skip
    assert driver.arguments["ssl_server_dn_match"] is checks_name


def test_sizes_of_one_database_and_of_a_container(driver: Driver) -> None:
    reading = dialect.database_sizes(TARGET)
    (one,) = reading.databases
    assert (one.name, one.total_bytes, one.data_bytes) == ("SALESPDB", 10_842_275_840, 10_737_418_240)
    assert not reading.complete
    driver.connection.answers[oracle.PLACE] = [(oracle.ROOT, "C##JOBSITE")]
    whole = dialect.database_sizes(TARGET)
    assert {one.name: one.total_bytes for one in whole.databases} == {
        "CDB$ROOT": 2**30 + 2**20, "SALESPDB": 10_737_418_240, "Archiv 数据": None,
    }  # fmt: skip
    assert whole.databases[2].reason
    assert whole.complete


def test_accounts_and_their_rights(driver: Driver) -> None:
    found = {one.name: one for one in dialect.accounts(TARGET).accounts}
    assert set(found) == {"APP", "OLD", "SYS", "admin \"x'", "READERS", "CONNECT", "DBA", "PUBLIC"}
    app = found["APP"]
    assert app.expires_at == EXPIRES
    assert (app.superuser, app.locked, app.grant_admin, app.server_id) == (False, False, False, "108")
    assert set(app.grants or ()) == {
        Grant("role", ("READERS",), "MEMBER", True),
        Grant("role", ("READERS",), "DEFAULT"),
        Grant("global", (), "CREATE SESSION"),
        Grant("table", ("SHOP", "Orders"), "UPDATE", True),
        Grant("column", ("SHOP", "People", "名前"), "UPDATE"),
    }
    assert (found["OLD"].locked, found["OLD"].grant_admin) == (True, True)
    assert (found["admin \"x'"].superuser, found["admin \"x'"].locked) == (True, True)
    assert [found[name].kind for name in ("READERS", "DBA", "PUBLIC")] == ["role", "role", "public"]
    assert Grant("procedure", ("SHOP", "PRICE"), "EXECUTE") in (found["PUBLIC"].grants or ())


def test_no_hash_is_asked_for(driver: Driver) -> None:
    dialect.accounts(TARGET)
    asked = " ".join(driver.connection.asked).lower()
    assert "dba_users" in asked
    assert not [word for word in ("password", "spare4", "user$") if word in asked]


def test_who_may_read_and_write(driver: Driver) -> None:
    grants = {one.name: one.grants or () for one in dialect.accounts(TARGET).accounts}

    def reasons(name: str, action: str) -> set[str]:
        holder = Holder(name, False, gather(name, grants, dialect.everybody))
        return {held.grant.right for held in dialect.access(action, "SALESPDB", holder)}

    assert (reasons("APP", "read"), reasons("APP", "write")) == ({"SELECT"}, {"UPDATE"})
    assert reasons("admin \"x'", "read") == {"SELECT ANY TABLE"}
    assert reasons("OLD", "read") == set()


def test_what_is_for_reading_only_reads(driver: Driver) -> None:
    driver.connection.answers["SELECT 1 FROM dual"] = [(1,)]
    dialect.run(TARGET, tables.script("SELECT 1 FROM dual", writes=False, most_rows=5))
    assert driver.connection.asked == ["SET TRANSACTION READ ONLY", "SELECT 1 FROM dual", "COMMIT"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ORA-01017: invalid username/password s3same open »x«", AccessDenied),
        ("DPY-4024: call timeout of 1000 ms exceeded", TimedOut),
        ("DPY-6005: cannot connect to database. timed out", TimedOut),
        ("DPY-6005: cannot connect to database. [Errno 111] Connection refused", Unreachable),
        ("ORA-12514: no such service", Unreachable),
        ("ORA-00942: table or view does not exist", QueryFailed),
    ],
)
def test_errors_are_ours_and_tell_no_password(driver: Driver, text: str, kind: type[Exception]) -> None:
    driver.refusal = Error(text)
    with pytest.raises(kind) as caught:
        dialect.test(TARGET)
    assert TARGET.password not in str(caught.value)


def test_a_service_is_needed(make_instance: Any) -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError, match="name of a service"):
        make_instance(dialect="oracle")


def test_without_the_driver_its_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "oracledb", None)
    with pytest.raises(DriverMissing, match=r"requirements-oracle\.txt"):
        dialect.test(TARGET)


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
        dialect.run(TARGET, watched("DELETE FROM A; DELETE FROM B", False, writes=True))
    assert not [one for one in driver.connection.asked if one == "DELETE FROM B" or "COMMIT" in one]
    assert "DELETE FROM A" in driver.connection.asked
    assert driver.connection.closed


def test_its_own_time_ends_it(driver: Driver) -> None:
    driver.connection.endless.add(SLOW)
    target = replace(TARGET, options=ConnectionOptions(statement_timeout_seconds=0.3))
    with pytest.raises(TimedOut, match=r"0\.3 s"):
        dialect.run(target, tables.script(SLOW, writes=False, most_rows=5))
    assert driver.connection.closed


def test_a_server_that_does_not_care_holds_nobody(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "CLOSE_SECONDS", 0.1)
    driver.connection.endless.add(SLOW)
    driver.connection.deaf = True
    with pytest.raises(Stopped):
        dialect.run(TARGET, watched(SLOW))
    assert driver.connection.closed
