"""The partitions while the database user of the project may not change them: that is said, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from instances import sql, tasks
from instances.exceptions import PartitionsUnhealthy
from instances.models import DatabaseSize, Instance, InstanceSize
from instances.services import collection, partitions
from scheduling import clock as clocks
from tests.instances.servers import PREFIX
from tests.instances.test_partitions import NOON, PAGE, SUPPORTED, TABLE, TODAY, june, plain, put

__all__ = ["june"]

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="this database has no partitions")

USER = f"{PREFIX}po'or"
POSTGRESQL = connection.vendor == "postgresql"
only_on_postgresql = pytest.mark.skipif(not POSTGRESQL, reason="how PostgreSQL sees it")
only_on_mysql = pytest.mark.skipif(POSTGRESQL, reason="how MariaDB and MySQL see it")
#: Months of which nothing has been made yet.
LATER = TODAY.replace(month=9)


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def quoted() -> list[str]:
    """The user, in each way by which it may come in."""
    if POSTGRESQL:
        return [connection.ops.quote_name(USER)]
    name = USER.replace("'", "''")
    return [f"'{name}'@'{host}'" for host in ("%", "localhost", "127.0.0.1")]


@pytest.fixture
def instance(make_instance: Any, settings: Any, june: None) -> Instance:
    settings.JOBSITE_TASK_TIME_ZONE = "UTC"
    found: Instance = make_instance()
    return found


@pytest.fixture
def user(june: None) -> Iterator[Callable[[], Any]]:
    """A user who may read and write rows; ``with user():`` everything is done as that one."""
    if POSTGRESQL:
        (who,) = quoted()
        with connection.cursor() as cursor:
            # Not the partitions: rows come and go by their table.
            cursor.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                " AND relnamespace = 'public'::regnamespace"
            )
            tables = ", ".join(name for (name,) in cursor.fetchall())
        run(
            f"CREATE ROLE {who} LOGIN PASSWORD 'x y'",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {who}",
        )
    else:
        database = connection.ops.quote_name(connection.settings_dict["NAME"])
        for who in quoted():
            run(
                f"CREATE OR REPLACE USER {who} IDENTIFIED BY 'x y'",
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {who}",
            )

    @contextmanager
    def entered() -> Iterator[None]:
        own = connection.settings_dict
        connection.close()
        connection.settings_dict = own | {"USER": USER, "PASSWORD": "x y"}
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict = own

    yield entered
    for who in quoted():
        run(*([f"REASSIGN OWNED BY {who} TO CURRENT_USER", f"DROP OWNED BY {who}"] if POSTGRESQL else []),
            f"DROP {'ROLE' if POSTGRESQL else 'USER'} {who}")  # fmt: skip


def give(statements: list[str]) -> None:
    """By somebody with more rights."""
    assert statements
    run(*(one.rstrip(";") for one in statements))


def expected_words() -> str:
    return f"ALTER TABLE {TABLE} OWNER TO" if POSTGRESQL else "GRANT ALTER, DROP ON"


def months(table: str = TABLE) -> set[str]:
    return {one.name.removeprefix(f"{table}_") for one in sql.partitions(connection).listed(table)}


def test_making_is_refused_with_what_would_help_and_then_works(instance: Instance, user: Any) -> None:
    with user():
        put(instance, "2026-12-24")
        report = partitions.create_ahead(today=LATER, ahead=3)
        assert report.created == []
        assert [f"partitions of {table}:" in told for table, told in zip(partitions._tables(), report.refused,
                                                                         strict=True)] == [True, True]  # fmt: skip
        assert any(expected_words() in one for one in report.statements)
        assert months() == {"2026_06", "2026_07", "2026_08", "2026_09", "default"}
        assert DatabaseSize.objects.count() == 1
    give(report.statements)
    with user():
        assert partitions.check(today=TODAY, ahead=3).statements == []
        assert len(partitions.create_ahead(today=LATER, ahead=3).created) == 6
        assert sql.partitions(connection).count(TABLE, f"{TABLE}_2026_12") == 1
        assert len(partitions.cleanup(today=LATER, keep_months=1).dropped) == 4


def test_health_and_status_can_be_read(instance: Instance, user: Any) -> None:
    put(instance, "2026-06-15", "2026-06-16", "2027-01-01")
    with user():
        health = partitions.check(today=TODAY, ahead=3)
        assert (health.state, len(health.problems)) == ("warning", 2)  # no more than the strays
        assert "2027-01" in health.problems[0]
        assert any(expected_words() in one for one in health.statements)
        counted = {one["name"]: one["rows"] for one in partitions.status(today=TODAY)[0]["partitions"]}
        assert counted[f"{TABLE}_2026_06"] == 2
        assert counted[f"{TABLE}_default"] == 1
        later = partitions.check(today=LATER, ahead=3)
        assert (later.state, later.created) == ("warning", [])
        assert any("2026-12" in one for one in later.problems)
        assert any(f"partitions of {TABLE}:" in one for one in later.problems)
        assert partitions.check(today=LATER.replace(month=10), ahead=3).state == "critical"


def test_page_and_api_say_it(instance: Instance, user: Any, admin_client: Client) -> None:
    with user():
        answer = admin_client.get("/api/v1/partitions/").json()
        page = admin_client.get(PAGE)
    assert answer["state"] == "healthy"
    assert any(expected_words() in one for one in answer["statements"])
    assert page.status_code == 200
    assert expected_words() in page.content.decode()
    assert admin_client.get("/api/v1/partitions/").json()["statements"] == []
    assert expected_words() not in admin_client.get(PAGE).content.decode()


def test_what_may_not_be_dropped_is_deleted(instance: Instance, user: Any) -> None:
    put(instance, "2025-01-01", "2026-06-30", "2026-07-01")
    with user():
        result = None
        with clocks.use(clocks.SettableClock(NOON.replace(month=8))):
            result = tasks.cleanup_database_size_partitions(keep_months=1)
        assert (result["rows"], result["dropped"], result["freed_bytes"]) == (4, [], 0)
        assert any(expected_words() in one for one in result["statements"])
        assert len(result["refused"]) == 2
        assert DatabaseSize.objects.count() == InstanceSize.objects.count() == 1
    assert "2026_06" in months()


def test_an_upgrade_leaves_plain_what_it_may_not_rebuild(instance: Instance, user: Any) -> None:
    plain()
    put(instance, "2026-05-31", "2026-06-15")
    own_rows(user)
    before = list(DatabaseSize.objects.order_by("pk").values())
    with user():
        health = partitions.check(today=TODAY, ahead=3)
        assert health.state == "critical"
        with pytest.raises(PartitionsUnhealthy, match=TABLE):
            tasks.upgrade_database_size_tables()
        assert list(DatabaseSize.objects.order_by("pk").values()) == before
        assert not any(row["partitioned"] for row in partitions.status(today=TODAY))
        put(instance, "2026-06-16")
    second = InstanceSize._meta.db_table
    give([one for one in health.statements if "SCHEMA" in one or second in one])
    with user():
        report = partitions.upgrade(today=TODAY, ahead=3)
        assert (report.upgraded, len(report.refused)) == ([second], 1)
    give([one for one in report.statements if TABLE in one])
    with user():
        assert tasks.upgrade_database_size_tables()["upgraded"] == [TABLE]
        assert (DatabaseSize.objects.count(), InstanceSize.objects.count()) == (3, 3)
        put(instance, "2026-06-17")
        assert partitions.check(today=TODAY, ahead=3).state == "healthy"


def own_rows(user: Any) -> None:
    """Tables that were made anew have forgotten who may read and write their rows."""
    for table in partitions._tables() if POSTGRESQL else ():
        run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {quoted()[0]}")


def test_the_tasks_and_the_command_say_it(instance: Instance, user: Any) -> None:
    with user(), clocks.use(clocks.SettableClock(NOON.replace(month=9))):
        with pytest.raises(PartitionsUnhealthy) as failed:
            tasks.create_database_size_partitions()
        assert expected_words() in str(failed.value)
        assert tasks.monitor_partition_health()["state"] == "warning"
        assert tasks.get_partition_management_status()["tables"][0]["partitioned"]
        output = StringIO()
        with pytest.raises(CommandError, match="may not"):
            call_command("partitions", "create", stdout=output)
        assert expected_words() in output.getvalue()
        assert f"partitions of {TABLE}:" in output.getvalue()
        output = StringIO()
        call_command("partitions", "health", stdout=output)
        assert expected_words() in output.getvalue()
        call_command("partitions", "status", stdout=output)


def test_sizes_keep_being_collected(user: Any, of_server: Any, postgres: Any) -> None:
    server = of_server(postgres, "pg")
    with user():
        session = collection.collect(collection.SIZES, [server], origin="schedule")
        assert session.status == "completed"
        assert DatabaseSize.objects.filter(instance=server).exists()


@only_on_postgresql
class TestPostgreSQL:
    def test_an_owner_without_create_on_the_schema(self, instance: Instance, user: Any) -> None:
        statements = sql.partitions(connection)
        (who,) = quoted()
        for table in partitions._tables():
            for name in (table, *(one.name for one in statements.listed(table))):
                run(f"ALTER TABLE {name} OWNER TO {who}")
        with user():
            report = partitions.create_ahead(today=LATER, ahead=3)
            assert report.statements == [f"GRANT CREATE ON SCHEMA public TO {who};"]
            assert all("permission denied for schema public" in one for one in report.refused)
            assert len(partitions.cleanup(today=LATER, keep_months=1).dropped) == 4
        give(report.statements)
        with user():
            assert len(partitions.create_ahead(today=LATER, ahead=3).created) == 6

    def test_somebody_else_makes_them_for_the_owner(self, instance: Instance, user: Any) -> None:
        (who,) = quoted()
        with user():
            missing = partitions.check(today=TODAY, ahead=3).statements
        give(missing)
        partitions.create_ahead(today=LATER, ahead=3)
        with user():
            assert partitions.check(today=LATER, ahead=3).statements == []
        plain()
        for table in partitions._tables():
            run(f"ALTER TABLE {table} OWNER TO {who}")
        put(instance, "2026-06-15")
        partitions.upgrade(today=TODAY, ahead=3)
        with user():
            put(instance, "2026-06-16")
            health = partitions.check(today=TODAY, ahead=3)
            assert (health.state, health.statements) == ("healthy", [])


@only_on_mysql
class TestMariaDB:
    @pytest.mark.parametrize("by_role", [False, True])
    def test_with_alter_but_without_drop(self, instance: Instance, user: Any, by_role: bool) -> None:
        put(instance, "2026-06-30")
        database, role = connection.ops.quote_name(connection.settings_dict["NAME"]), f"'{PREFIX}alters'"
        if by_role:
            run(f"CREATE ROLE {role}", f"GRANT ALTER ON {database}.* TO {role}")
        for who in quoted():
            if by_role:
                run(f"GRANT {role} TO {who}", f"SET DEFAULT ROLE {role} FOR {who}")
            else:
                run(f"GRANT ALTER ON {database}.* TO {who}")
        try:
            with user():
                assert len(partitions.create_ahead(today=LATER, ahead=3).created) == 6
                report = partitions.cleanup(today=LATER, keep_months=1)
                assert (report.dropped, report.rows) == ([], 2)
                assert [one.partition(" ON ")[0] for one in report.statements] == ["GRANT DROP"] * 2
        finally:
            if by_role:
                run(f"DROP ROLE {role}")

    def test_all_privileges_are_enough(self, instance: Instance, user: Any) -> None:
        database = connection.ops.quote_name(connection.settings_dict["NAME"])
        for who in quoted():
            run(f"GRANT ALL ON {database}.* TO {who}")
        with user():
            assert partitions.check(today=TODAY, ahead=3).statements == []
