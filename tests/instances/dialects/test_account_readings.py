"""What the dialects read of accounts and rights, against what the servers say when asked otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instances.dialects import DIALECTS
from instances.dialects.target import ConnectionTarget
from instances.exceptions import NothingVisible, NotSupported
from tests.instances import oracles
from tests.instances.fleet import PREFIX, MariaDBFleet, PostgresFleet
from tests.instances.servers import PREFIX as OTHERS

#: A user of these tests that is no part of the fleets.
READER = f"{OTHERS}reader"


def test_every_right_of_postgresql_is_what_its_own_functions_say(postgres_fleet: PostgresFleet) -> None:
    reading = DIALECTS["postgresql"].accounts(postgres_fleet.server.target())
    assert not set(reading.unread_databases) & set(postgres_fleet.databases)
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
    listed = {name for (name,) in postgres.sql("SELECT rolname FROM pg_authid") if name.startswith(PREFIX)}
    assert {one for one in found if one.startswith(PREFIX)} == listed == set(postgres_fleet.accounts)
    assert {"PUBLIC", "pg_monitor"} <= set(found)
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
    mine = [name for name in ("postgres", *postgres_fleet.databases) if name in connects]
    assert {name: acls[name] for name in mine} == {name: connects[name] for name in mine}
    assert connects["postgres"] in (True, False)


def test_a_database_that_refuses_is_told_and_the_rest_goes_on(
    postgres: Any, postgres_fleet: PostgresFleet
) -> None:
    role, closed = READER, postgres_fleet.databases[0]
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
    assert set(poor.unread_databases) & set(postgres_fleet.databases) == {closed}
    assert any(closed in note for note in poor.notes)
    theirs, mine = {one.name: one for one in poor.accounts}, set(postgres_fleet.databases)
    for one in rich.accounts:
        expected = {grant for grant in one.grants or () if grant.on[:1] != (closed,) or len(grant.on) == 1}
        ours, found = (
            {grant for grant in grants if grant.on[:1] and grant.on[0] in mine}
            for grants in (expected, theirs[one.name].grants or ())
        )
        assert found == ours, one.name


def test_every_right_of_mariadb_is_what_its_grant_tables_say(mariadb_fleet: MariaDBFleet) -> None:
    reading = DIALECTS["mysql"].accounts(mariadb_fleet.server.target())
    assert not [note for note in reading.notes if PREFIX in note]
    truth = oracles.mariadb_truth(mariadb_fleet)
    concluded = oracles.mariadb_concluded(mariadb_fleet, reading)
    assert (concluded - truth, truth - concluded) == (set(), set())
    assert {one[1] for one in truth} == {"database", "table", "column", "routine", "role", "global"}


def test_the_accounts_of_mariadb(mariadb: Any, mariadb_fleet: MariaDBFleet) -> None:
    found = {one.name: one for one in DIALECTS["mysql"].accounts(mariadb.target()).accounts}
    listed = mariadb.sql("SELECT User, Host FROM mysql.global_priv WHERE User LIKE %s", (f"{PREFIX}%",))
    assert {name for name in found if name.startswith(PREFIX)} == {
        f"{user}@{host}" if host else user for user, host in listed
    }
    assert len(listed) == 25
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
    who = f"'{READER}'@'%'"
    target = mariadb.target(username=READER, password="x y")
    mariadb.run([f"CREATE USER {who} IDENTIFIED BY 'x y'"])
    try:
        with pytest.raises(NothingVisible, match=r"GRANT SELECT ON mysql\.\*"):
            DIALECTS["mysql"].accounts(target)
        mariadb.run([f"GRANT SELECT ON mysql.{table} TO {who}" for table in ("user", "global_priv")])
        some = DIALECTS["mysql"].accounts(target)
        assert "GRANT SELECT ON mysql.*" in some.notes[0]
        assert {one.grants for one in some.accounts if one.username != READER} == {None}
        mariadb.run([f"GRANT SELECT ON mysql.* TO {who}"])
        whole, all_of_it = DIALECTS["mysql"].accounts(target), DIALECTS["mysql"].accounts(mariadb.target())
        mine, theirs = (
            [one for one in reading.accounts if PREFIX in one.name] for reading in (whole, all_of_it)
        )
        assert mine == theirs
        assert len(mine) == 25
    finally:
        mariadb.run([f"DROP USER {who}"])


def test_sqlite_says_that_it_has_none(tmp_path: Any) -> None:
    with pytest.raises(NotSupported, match="SQLite has no accounts"):
        DIALECTS["sqlite"].accounts(ConnectionTarget(database=str(tmp_path / "files" / "a")))
