"""Real servers with a user of exactly the rights that the documentation lists, and with one of them fewer each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from instances.dialects import DIALECTS
from instances.exceptions import AccessDenied, NothingVisible
from tests.conftest import await_
from tests.instances.servers import PREFIX

PAGE = Path(__file__).parents[3] / "docs" / "instances.md"
USER = f"{PREFIX}le'ast"
GONE = re.compile(r"(?!" + PREFIX + r")jt\d+_.*: gone while being read\.")


def documented(heading: str) -> list[str]:
    """The statements below a heading of the page, without their comments."""
    part = PAGE.read_text().partition(f"**{heading}")[2].partition("\n**")[0]
    return [line.partition(";")[0].strip() for line in part.splitlines() if line.startswith("    GRANT")]


def ours(reading: Any) -> dict[str, Any]:
    """The accounts that nobody else makes or removes meanwhile."""
    return {one.name: one for one in reading.accounts if one.name.startswith((PREFIX, "root@"))}


def notes(reading: Any) -> list[str]:
    """What is said, but of accounts that another test process removes meanwhile."""
    return [note for note in reading.notes if not GONE.fullmatch(note)]


class TestMariaDB:
    dialect = DIALECTS["mysql"]

    @pytest.fixture
    def user(self, mariadb: Any) -> Iterator[Callable[..., Any]]:
        """``user(without="PROCESS")`` gives a target for a user with the documented rights but one."""
        quoted = USER.replace("'", "''")
        created = [
            f"CREATE OR REPLACE USER '{quoted}'@'{host}' IDENTIFIED BY 'x y'" for host in ("%", "localhost")
        ]

        def make(without: str = "") -> Any:
            statements = list(created)
            for line in documented("MySQL 5.7"):
                rights, _on, place = line.removeprefix("GRANT ").partition(" TO ")[0].partition(" ON ")
                kept = [right for right in rights.split(", ") if right != without]
                for host in ("%", "localhost") if kept else ():
                    statements.append(f"GRANT {', '.join(kept)} ON {place} TO '{quoted}'@'{host}'")
            mariadb.run(statements)
            return mariadb.target(username=USER, password="x y")

        yield make
        mariadb.run([f"DROP USER IF EXISTS '{quoted}'@'{host}'" for host in ("%", "localhost")])

    def missing(self, target: Any) -> list[str]:
        return [one.statement.partition(" TO ")[0] for one in self.dialect.test(target).rights.missing]

    def test_all_of_them(self, user: Any, mariadb: Any, mariadb_databases: list[str]) -> None:
        target = user()
        assert self.missing(target) == []
        mine, theirs = self.dialect.database_sizes(target), self.dialect.database_sizes(mariadb.target())
        assert (mine.complete, mine.notes) == (True, ())
        assert {one.reason for one in mine.databases} == {""}
        sizes = {one.name: one for one in mine.databases}
        assert {name: sizes[name] for name in mariadb_databases} == {
            one.name: one for one in theirs.databases if one.name in mariadb_databases
        }
        accounts = self.dialect.accounts(target)
        assert notes(accounts) == []
        assert ours(accounts) == ours(self.dialect.accounts(mariadb.target()))
        assert f"{USER}@%" in ours(accounts)
        assert all(one.grants is not None for one in accounts.accounts)

    def test_without_process(self, user: Any, mariadb_databases: list[str]) -> None:
        target = user(without="PROCESS")
        assert self.missing(target) == ["GRANT PROCESS ON *.*"]
        reading = self.dialect.database_sizes(target)
        assert "PROCESS" in reading.notes[0]
        assert all(one.total_bytes is not None for one in reading.databases)
        assert notes(self.dialect.accounts(target)) == []

    def test_without_show_databases(self, user: Any, mariadb_databases: list[str]) -> None:
        """Any other right on everything shows all schemas as well."""
        target = user(without="SHOW DATABASES")
        assert self.missing(target) == []
        assert self.dialect.database_sizes(target).complete
        assert notes(self.dialect.accounts(target)) == []

    def test_without_show_view(self, user: Any, mariadb_databases: list[str]) -> None:
        target = user(without="SHOW VIEW")
        assert self.missing(target) == ["GRANT SHOW VIEW ON *.*"]
        reading = self.dialect.database_sizes(target)
        assert reading.complete
        sizes = {one.name: one for one in reading.databases}
        assert sizes[mariadb_databases[0]].total_bytes > 4_000_000
        assert all("other engines" in sizes[name].reason for name in mariadb_databases)
        assert any("SHOW VIEW" in note for note in reading.notes)
        assert notes(self.dialect.accounts(target)) == []

    def test_without_select_on_mysql(self, user: Any, mariadb_databases: list[str]) -> None:
        target = user(without="SELECT")
        assert self.missing(target) == ["GRANT SELECT ON mysql.*"] * 2
        with pytest.raises(NothingVisible, match=r"GRANT SELECT ON mysql\.\*"):
            self.dialect.accounts(target)
        assert self.dialect.database_sizes(target).notes == ()

    def test_with_the_names_of_accounts_only(self, user: Any, mariadb: Any) -> None:
        """The server lists accounts, but shows nobody else's rights."""
        target = user(without="SELECT")
        quoted = USER.replace("'", "''")
        for host in ("%", "localhost"):
            mariadb.run(
                [f"GRANT SELECT ON mysql.{table} TO '{quoted}'@'{host}'" for table in ("user", "global_priv")]
            )
        assert self.missing(target) == ["GRANT SELECT ON mysql.*"]
        reading = self.dialect.accounts(target)
        assert ours(reading).keys() == ours(self.dialect.accounts(mariadb.target())).keys()
        assert "GRANT SELECT ON mysql.*" in reading.notes[0]
        assert any(one.grants is None for one in reading.accounts)

    def test_half_of_the_inventory_is_no_inventory(self, user: Any, mariadb: Any) -> None:
        target = user(without="SELECT")
        quoted = USER.replace("'", "''")
        mariadb.run([f"GRANT SELECT ON mysql.user TO '{quoted}'@'{host}'" for host in ("%", "localhost")])
        assert self.missing(target) == ["GRANT SELECT ON mysql.*"] * 2
        with pytest.raises(NothingVisible, match="GRANT SELECT"):
            self.dialect.accounts(target)

    def test_by_roles_three_deep(self, user: Any, mariadb: Any, mariadb_databases: list[str]) -> None:
        target, quoted = user(), USER.replace("'", "''")
        hosts, roles = ("%", "localhost"), [f"'{PREFIX}role {number}'" for number in range(3)]
        statements = [line.partition(" TO ")[0] for line in documented("MySQL 5.7")]
        try:
            mariadb.run(
                [
                    *(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{quoted}'@'{host}'" for host in hosts),
                    *(f"CREATE ROLE {role}" for role in roles),
                    # In this order: MariaDB 10.11 forgets what a role inherits when it is given a schema afterwards.
                    *(f"{text} TO {roles[number % 3]}" for number, text in enumerate(statements)),
                    f"GRANT {roles[0]} TO {roles[1]}", f"GRANT {roles[1]} TO {roles[2]}",
                    *(f"GRANT {roles[2]} TO '{quoted}'@'{host}'" for host in hosts),
                    *(f"SET DEFAULT ROLE {roles[2]} FOR '{quoted}'@'{host}'" for host in hosts),
                ]
            )  # fmt: skip
            assert self.missing(target) == []
            reading = self.dialect.database_sizes(target)
            assert (reading.complete, reading.notes) == (True, ())
            assert {one.reason for one in reading.databases} == {""}
        finally:
            mariadb.run([f"DROP ROLE IF EXISTS {role}" for role in roles])


def went_well(postgres: Any, *statements: str) -> bool:
    """False where a database that another test drops at this moment is in the way."""
    try:
        postgres.run(list(statements))
    except psycopg2.Error:
        return False
    return True


class TestPostgreSQL:
    dialect = DIALECTS["postgresql"]
    closed = f'{PREFIX}clo"sed least'

    @pytest.fixture
    def user(self, postgres: Any) -> Iterator[Callable[..., Any]]:
        """``user(without="pg_monitor")`` gives a target for a role with the documented rights but one."""
        who, closed = postgres.quote(USER), postgres.quote(self.closed)
        postgres.run([f"CREATE ROLE {who} LOGIN PASSWORD 'x y'"])
        postgres.sql(f"CREATE DATABASE {closed}")

        def grant(without: str) -> bool:
            others = postgres.sql(
                "SELECT datname FROM pg_database"
                " WHERE NOT datistemplate AND NOT has_database_privilege(%s, oid, 'CONNECT')",
                (USER,),
            )
            lines = [
                line.replace("jobsite", who)
                for line in documented("PostgreSQL 12")
                if without not in line or not without
            ]
            return went_well(
                postgres,
                f"REVOKE CONNECT ON DATABASE {closed} FROM PUBLIC",
                *(line.replace("sales", closed) for line in lines),
                # Other tests close databases meanwhile.
                *(f"GRANT CONNECT ON DATABASE {postgres.quote(name)} TO {who}" for (name,) in others),
            )

        def make(without: str = "", **target: Any) -> Any:
            await_(lambda: grant(without), 10, "the rights are given")
            return postgres.target(username=USER, password="x y", **target)

        yield make
        postgres.sql(f"DROP DATABASE {closed}")
        await_(
            lambda: went_well(postgres, f"DROP OWNED BY {who}", f"DROP ROLE {who}"), 10, "the role is dropped"
        )

    def missing(self, target: Any) -> list[str]:
        """What is said to be missing, but for databases that other tests close meanwhile."""
        statements = [one.statement.partition(" TO ")[0] for one in self.dialect.test(target).rights.missing]
        return [one for one in statements if "DATABASE" not in one or "clo" in one]

    def test_all_of_them(self, user: Any, postgres: Any) -> None:
        target = user()
        assert self.missing(target) == []
        reading = self.dialect.database_sizes(target)
        assert (reading.complete, reading.notes) == (True, ())
        assert all(one.total_bytes and not one.reason for one in reading.databases)
        mine, theirs = self.dialect.accounts(target), self.dialect.accounts(postgres.target())
        assert self.closed not in mine.unread_databases
        assert ours(mine) == ours(theirs)
        assert USER in ours(mine)

    def test_without_pg_monitor(self, user: Any) -> None:
        """Where it may connect it may also measure."""
        target = user(without="pg_monitor")
        assert self.missing(target) == ["GRANT pg_monitor"]
        sizes = {one.name: one for one in self.dialect.database_sizes(target).databases}
        assert sizes[self.closed].total_bytes
        assert self.dialect.accounts(target).accounts

    def test_without_connect_on_one(self, user: Any) -> None:
        target = user(without="CONNECT")
        (statement,) = self.missing(target)
        assert re.fullmatch(r'GRANT CONNECT ON DATABASE ".*clo""sed least"', statement)
        sizes = {one.name: one for one in self.dialect.database_sizes(target).databases}
        assert sizes[self.closed].total_bytes
        reading = self.dialect.accounts(target)
        assert self.closed in reading.unread_databases
        assert [note for note in reading.notes if self.closed in note and "GRANT CONNECT" in note]
        assert all(one.grants is not None for one in reading.accounts)

    def test_without_both(self, user: Any) -> None:
        target = user(without=" ")
        assert len(self.missing(target)) == 2
        reading = self.dialect.database_sizes(target)
        sizes = {one.name: one for one in reading.databases}
        assert sizes[self.closed].total_bytes is None
        assert "pg_monitor" in sizes[self.closed].reason
        assert "pg_monitor" in reading.notes[0]
        assert sizes["postgres"].total_bytes

    def test_one_that_lets_nobody_in_as_the_place_to_begin(self, user: Any) -> None:
        target = user(without="CONNECT", database=self.closed)
        for ask in (self.dialect.test, self.dialect.database_sizes, self.dialect.accounts):
            with pytest.raises(AccessDenied, match="CONNECT privilege"):
                ask(target)
