"""What the dialects read of accounts and rights, against what the servers say when asked otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instances.dialects import DIALECTS
from instances.dialects.target import ConnectionTarget
from instances.exceptions import NotSupported, QueryFailed
from tests.instances import oracles
from tests.instances.fleet import MariaDBFleet, PostgresFleet
from tests.instances.servers import PREFIX


def test_every_right_of_postgresql_is_what_its_own_functions_say(postgres_fleet: PostgresFleet) -> None:
    reading = DIALECTS["postgresql"].accounts(postgres_fleet.server.target())
    assert reading.unread_databases == ()
    truth, concluded = (
        oracles.postgres_truth(postgres_fleet),
        oracles.postgres_concluded(postgres_fleet, reading),
    )
    assert concluded == truth
    assert {kind for _who, kind, _on, _right in truth} == set(oracles.POSTGRES_RIGHTS)


def test_the_accounts_of_postgresql(postgres: Any, postgres_fleet: PostgresFleet) -> None:
    name = postgres_fleet.accounts[1]
    postgres.run([
        f"ALTER ROLE {postgres.quote(name)} CREATEDB CREATEROLE REPLICATION CONNECTION LIMIT 3"
        " VALID UNTIL '2030-02-03 04:05:06+00'",
        f"ALTER ROLE {postgres.quote(postgres_fleet.accounts[2])} VALID UNTIL 'infinity'",
    ])  # fmt: skip
    found = {one.name: one for one in DIALECTS["postgresql"].accounts(postgres.target()).accounts}
    assert set(found) == {"PUBLIC", *(name for (name,) in postgres.sql("SELECT rolname FROM pg_authid"))}
    one = found[name]
    assert (one.kind, one.superuser, one.locked, one.grant_admin) == ("user", False, False, True)
    assert one.expires_at == datetime(2030, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert one.attributes["replication"]
    assert one.attributes["create_database"]
    assert one.attributes["connection_limit"] == 3
    assert found[postgres_fleet.accounts[2]].expires_at is None
    assert (found[postgres_fleet.accounts[0]].kind, found[postgres_fleet.accounts[0]].locked) == (
        "role",
        True,
    )


def test_what_everybody_has_by_default_is_told_apart(postgres: Any, postgres_fleet: PostgresFleet) -> None:
    everybody = DIALECTS["postgresql"].accounts(postgres.target()).accounts[0]
    assert everybody.kind == "public"
    acls = dict(postgres.sql("SELECT datname::text, datacl IS NULL FROM pg_database WHERE NOT datistemplate"))
    connects = {one.on[0]: one.default for one in everybody.grants or () if one.right == "CONNECT"}
    assert connects
    assert {name: acls[name] for name in connects} == connects


def test_a_database_that_refuses_is_told_and_the_rest_goes_on(
    postgres: Any, postgres_fleet: PostgresFleet
) -> None:
    role, closed = f"{PREFIX}reader", postgres_fleet.databases[0]
    postgres.run([
        f"CREATE ROLE {role} LOGIN PASSWORD 'x y'",
        *(f"GRANT CONNECT ON DATABASE {postgres.quote(name)} TO {role}" for name in postgres_fleet.databases[1:]),
        f"REVOKE CONNECT ON DATABASE {postgres.quote(closed)} FROM PUBLIC",
    ])  # fmt: skip
    try:
        poor = DIALECTS["postgresql"].accounts(postgres.target(username=role, password="x y"))
        rich = DIALECTS["postgresql"].accounts(postgres.target())
    finally:
        postgres.run([f"DROP OWNED BY {role}", f"DROP ROLE {role}"])
    assert poor.unread_databases == (closed,)
    assert closed in poor.notes[0]
    theirs = {one.name: one for one in poor.accounts}
    for one in rich.accounts:
        expected = {grant for grant in one.grants or () if grant.on[:1] != (closed,) or len(grant.on) == 1}
        assert set(theirs[one.name].grants or ()) == expected, one.name


def test_every_right_of_mariadb_is_what_its_grant_tables_say(mariadb_fleet: MariaDBFleet) -> None:
    reading = DIALECTS["mysql"].accounts(mariadb_fleet.server.target())
    assert reading.notes == ()
    truth = oracles.mariadb_truth(mariadb_fleet)
    concluded = oracles.mariadb_concluded(mariadb_fleet, reading)
    assert (concluded - truth, truth - concluded) == (set(), set())
    assert {one[1] for one in truth} == {"database", "table", "column", "routine", "role", "global"}


def test_the_accounts_of_mariadb(mariadb: Any, mariadb_fleet: MariaDBFleet) -> None:
    found = {one.name: one for one in DIALECTS["mysql"].accounts(mariadb.target()).accounts}
    listed = mariadb.sql("SELECT User, Host, JSON_VALUE(Priv, '$.is_role') FROM mysql.global_priv")
    assert set(found) == {f"{user}@{host}" if host else user for user, host, _role in listed}
    of = [found[f"{name}@{host}"] for name, host in mariadb_fleet.users]
    assert [one.locked for one in of[:4]] == [False, True, False, False]
    assert all(found[role].kind == "role" for role in mariadb_fleet.roles)
    assert all(one.kind == "user" for one in of)
    expiring = of[2]
    changed = datetime.fromisoformat(expiring.attributes["password_changed_at"])
    assert expiring.expires_at == changed + timedelta(days=30)
    assert of[3].expires_at is None
    assert found[f"root@{mariadb.host}"].superuser


def test_no_hash_is_read(mariadb: Any, mariadb_fleet: MariaDBFleet) -> None:
    hashes = [text for (text,) in mariadb.sql("SELECT authentication_string FROM mysql.user") if text]
    assert any(text.startswith("*") for text in hashes)
    text = repr(DIALECTS["mysql"].accounts(mariadb.target()))
    assert not [one for one in hashes if one.startswith("*") and one in text]


def test_fewer_rights_on_mariadb(mariadb: Any, mariadb_fleet: MariaDBFleet) -> None:
    """The documented ones are enough; the lists alone give accounts without rights; less gives a sentence."""
    who = f"'{PREFIX}reader'@'%'"
    target = mariadb.target(username=f"{PREFIX}reader", password="x y")
    mariadb.run([f"CREATE USER {who} IDENTIFIED BY 'x y'"])
    try:
        with pytest.raises(QueryFailed, match="1142"):
            DIALECTS["mysql"].accounts(target)
        mariadb.run([f"GRANT SELECT ON mysql.{table} TO {who}" for table in ("user", "global_priv")])
        some = DIALECTS["mysql"].accounts(target)
        assert "GRANT SELECT ON mysql.*" in some.notes[0]
        assert {one.grants for one in some.accounts if one.username != f"{PREFIX}reader"} == {None}
        mariadb.run([f"GRANT SELECT ON mysql.* TO {who}"])
        whole, all_of_it = DIALECTS["mysql"].accounts(target), DIALECTS["mysql"].accounts(mariadb.target())
        assert whole.accounts == all_of_it.accounts
    finally:
        mariadb.run([f"DROP USER {who}"])


def test_sqlite_says_that_it_has_none(tmp_path: Any) -> None:
    with pytest.raises(NotSupported, match="SQLite has no accounts"):
        DIALECTS["sqlite"].accounts(ConnectionTarget(database=str(tmp_path / "files" / "a")))
