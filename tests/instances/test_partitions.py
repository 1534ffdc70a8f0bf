"""The size tables in partitions by month, on the database the tests run on; what SQLite does instead."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from instances import sql, tasks
from instances.exceptions import PartitionsUnhealthy
from instances.models import DatabaseSize, Instance, InstanceSize
from instances.services import partitions
from instances.sql.base import default_name, month_of, partition_name
from scheduling import clock as clocks
from scheduling.context import NullRun, RunCancelled

TABLE = DatabaseSize._meta.db_table
TODAY = date(2026, 6, 15)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)

PAGE = "/admin/instances/databasesize/partitions/"
SUPPORTED = connection.vendor != "sqlite"
only_with_partitions = pytest.mark.skipif(not SUPPORTED, reason="this database has no partitions")


@pytest.fixture
def instance(make_instance: Any, settings: Any) -> Instance:
    settings.JOBSITE_TASK_TIME_ZONE = "UTC"
    found: Instance = make_instance()
    return found


def put(instance: Instance, *days: str) -> None:
    for day in days:
        DatabaseSize.objects.create(
            instance=instance, database="a", date=day, total_bytes=1, collected_at=NOON
        )
        InstanceSize.objects.create(
            instance=instance, date=day, total_bytes=1, database_count=1, collected_at=NOON
        )


def listed(table: str = TABLE) -> dict[str, Any]:
    return {one.name: one for one in sql.partitions(connection).listed(table)}


@pytest.fixture
def june(transactional_db: None) -> Iterator[None]:
    """Both tables as a migration in June 2026 makes them: June to September. As they were, afterwards."""
    with clocks.use(clocks.SettableClock(NOON)):
        remake(["2026-06", "2026-07", "2026-08", "2026-09"])
        yield
    today = clocks.now().date()
    remake([f"{month:%Y-%m}" for month in partitions.months_ahead(today, 3)])


@only_with_partitions
def test_two_that_make_them_at_once_both_succeed(june: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has seen what is missing before either makes it."""
    look, both, local = partitions._missing, threading.Barrier(2, timeout=20), threading.local()

    def missing(*arguments: Any) -> Any:
        found = look(*arguments)
        if not getattr(local, "waited", False):
            local.waited = True
            both.wait()
        return found

    monkeypatch.setattr(partitions, "_missing", missing)
    said: list[Any] = []

    def make() -> None:
        try:
            said.append(partitions.create_ahead(today=date(2026, 8, 31), ahead=3).created)
        except Exception as error:
            said.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    made = [name for names in said for name in names]
    assert sorted(made) == sorted(
        partition_name(model._meta.db_table, date(2026, month, 1))
        for model in partitions.MODELS
        for month in (10, 11)
    )


def plain() -> None:
    """Plain tables again, as before partitions were known."""
    for model in partitions.MODELS:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {model._meta.db_table}")
        own = model._meta.constraints
        model._meta.constraints = [one for one in own if not hasattr(one, "column")]
        try:
            with connection.schema_editor() as editor:
                editor.create_model(model)
        finally:
            model._meta.constraints = own


def remake(months: list[str]) -> None:
    if not SUPPORTED:
        for model in partitions.MODELS:
            model._default_manager.all().delete()
        return
    plain()
    statements = sql.partitions(connection)
    for model in partitions.MODELS:
        first_days = [date.fromisoformat(f"{month}-01") for month in months]
        with transaction.atomic():
            statements.upgrade(model._meta.db_table, "date", first_days)


@only_with_partitions
@pytest.mark.django_db
def test_the_migration_made_them() -> None:
    for model in partitions.MODELS:
        names = set(listed(model._meta.db_table))
        assert default_name(model._meta.db_table) in names
        assert sum(month_of(model._meta.db_table, name) is not None for name in names) >= 4


@only_with_partitions
class TestPartitions:
    def test_ahead_once_and_with_the_strays_in_their_place(self, june: None, instance: Instance) -> None:
        put(instance, "2026-06-30", "2026-07-01", "2026-10-31", "2026-11-01", "2026-12-24")
        report = partitions.create_ahead(today=date(2026, 8, 31), ahead=3)
        expected = [
            partition_name(table, date(2026, month, 1))
            for table in partitions._tables()
            for month in (10, 11)
        ]
        assert report.created == expected
        assert partitions.create_ahead(today=date(2026, 8, 31), ahead=3).created == []
        statements = sql.partitions(connection)
        counts = {name.removeprefix(f"{TABLE}_"): statements.count(TABLE, name) for name in listed()}
        assert counts == {
            "2026_06": 1, "2026_07": 1, "2026_08": 0, "2026_09": 0, "2026_10": 1, "2026_11": 1, "default": 1,
        }  # fmt: skip
        assert DatabaseSize.objects.count() == 5

    def test_every_partition_has_its_month(self, june: None) -> None:
        for name, one in listed().items():
            month = month_of(TABLE, name)
            if month is None:
                assert one.is_default
            else:
                assert one.end == partitions.add_months(month, 1)
                assert one.start in (month, None)  # the first of MySQL takes everything before it
        when = {
            one["name"]: one["when"] for one in partitions.status(today=date(2026, 7, 1))[0]["partitions"]
        }
        assert [when[partition_name(TABLE, date(2026, month, 1))] for month in (6, 7, 8)] == [
            "past",
            "current",
            "future",
        ]

    def test_old_ones_are_dropped_whole_and_none_of_the_future(self, june: None, instance: Instance) -> None:
        put(instance, "2026-06-30", "2026-07-01")
        assert partitions.cleanup(today=date(2026, 7, 31), keep_months=1).dropped == []
        queries: list[str] = []

        def watch(execute: Any, statement: str, *rest: Any) -> Any:
            queries.append(statement)
            return execute(statement, *rest)

        with connection.execute_wrapper(watch):
            report = partitions.cleanup(today=date(2026, 8, 1), keep_months=1)
        assert report.dropped == [partition_name(table, date(2026, 6, 1)) for table in partitions._tables()]
        assert report.rows == 2
        assert report.freed_bytes > 0
        assert not [statement for statement in queries if statement.startswith("DELETE")]
        assert list(DatabaseSize.objects.values_list("date", flat=True)) == [date(2026, 7, 1)]
        # A clock that has gone back drops nothing.
        assert partitions.cleanup(today=date(2020, 1, 1), keep_months=1).dropped == []

    def test_old_rows_outside_all_months_go_too(self, june: None, instance: Instance) -> None:
        put(instance, "2025-01-01", "2026-06-01")
        report = partitions.cleanup(today=TODAY, keep_months=12)
        assert (report.rows, report.dropped) == (2, [])
        assert DatabaseSize.objects.count() == 1

    def test_health(self, june: None, instance: Instance) -> None:
        assert partitions.check(today=TODAY, ahead=3).state == "healthy"
        made = partitions.check(today=date(2026, 7, 1), ahead=3)
        assert (made.state, len(made.created)) == ("warning", 2)
        put(instance, "2027-01-01")
        stray = partitions.check(today=TODAY, ahead=3)
        assert stray.state == "warning"
        assert "2027-01" in stray.problems[0]
        assert partitions.check(today=TODAY, ahead=3, oversize_bytes=1).state == "warning"

    def test_a_look_mends_nothing(self, june: None, admin_client: Client) -> None:
        before = partitions.status(today=TODAY)
        told = partitions.check(today=date(2026, 7, 1), ahead=3, mend=False)
        assert (told.state, told.created) == ("warning", [])
        assert "2026-10" in told.problems[0]
        assert partitions.status(today=TODAY) == before
        answer = admin_client.get("/api/v1/partitions/").json()
        assert (answer["supported"], answer["state"], answer["problems"]) == (True, "healthy", [])
        assert f"{TABLE}_2026_06" in {
            one["name"] for table in answer["tables"] for one in table["partitions"]
        }
        plain()
        assert admin_client.get("/api/v1/partitions/").json()["state"] == "critical"
        assert 'value="upgrade"' in admin_client.get(PAGE).content.decode()

    def test_the_task_upgrades_and_can_be_run_again(
        self, june: None, instance: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Cancelled between the two tables, it leaves one upgraded; run again, it does the other."""

        class Cancelled(NullRun):
            def progress(self, done: float, total: float | None = None, text: str = "") -> None:
                if done:
                    raise RunCancelled("by_person")

        plain()
        put(instance, "2026-06-15")
        with monkeypatch.context() as patched:
            patched.setattr(partitions, "current_run", Cancelled)
            with pytest.raises(RunCancelled):
                tasks.upgrade_database_size_tables()
        assert [row["partitioned"] for row in partitions.status(today=TODAY)] == [True, False]
        assert tasks.upgrade_database_size_tables()["upgraded"] == partitions._tables()[1:]
        assert tasks.upgrade_database_size_tables()["upgraded"] == []
        assert (DatabaseSize.objects.count(), partitions.check(today=TODAY, ahead=3).state) == (1, "healthy")

    def test_a_plain_table_is_critical_and_the_task_fails(self, june: None) -> None:
        plain()
        with pytest.raises(PartitionsUnhealthy, match="plain table"):
            tasks.monitor_partition_health()
        assert "upgrade" in tasks.create_database_size_partitions()["message"]
        with pytest.raises(CommandError):
            call_command("partitions", "health", stdout=StringIO())

    def test_an_upgrade_keeps_every_row_and_everything_around_them(
        self, june: None, instance: Instance
    ) -> None:
        plain()
        put(instance, "2024-02-29", "2026-03-31", "2026-04-01", "2026-06-15", "2026-12-31")
        before = list(DatabaseSize.objects.order_by("pk").values())
        report = partitions.upgrade(today=TODAY, ahead=3)
        assert (report.upgraded, report.rows) == (partitions._tables(), 10)
        assert list(DatabaseSize.objects.order_by("pk").values()) == before
        assert partitions.upgrade(today=TODAY, ahead=3).upgraded == []
        assert sql.partitions(connection).months_in_default(TABLE, "date") == []
        assert sql.partitions(connection).count(TABLE, f"{TABLE}_2024_02") == 1
        put(instance, "2026-06-16")  # the next id is a new one
        with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
            put(instance, "2026-06-16")
        names = set(connection.introspection.get_constraints(connection.cursor(), TABLE))
        assert names >= {"database_size_daily", "database_size_by_date"}

    def test_an_upgrade_that_is_cut_off_leaves_the_table_as_it_was(
        self, june: None, instance: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain()
        put(instance, "2026-05-31", "2026-06-15")
        before = list(DatabaseSize.objects.order_by("pk").values())
        kind = type(sql.partitions(connection))
        real = kind.rows

        def failing(self: Any, statement: str, *rest: Any) -> Any:
            if statement.startswith(("DROP TABLE", "ALTER TABLE `instances_instancesize`")):
                raise KeyboardInterrupt
            return real(self, statement, *rest)

        monkeypatch.setattr(kind, "rows", failing)
        with pytest.raises(KeyboardInterrupt):
            partitions.upgrade(today=TODAY, ahead=3)
        monkeypatch.undo()
        assert list(DatabaseSize.objects.order_by("pk").values()) == before
        partitions.upgrade(today=TODAY, ahead=3)
        assert all(sql.partitions(connection).is_partitioned(table) for table in partitions._tables())
        assert list(DatabaseSize.objects.order_by("pk").values()) == before

    def test_a_query_looks_at_its_months_only(self, june: None, instance: Instance) -> None:
        put(instance, "2026-06-15", "2026-07-15")
        rows = DatabaseSize.objects.filter(instance=instance, date__range=("2026-07-01", "2026-07-31"))
        if connection.vendor == "postgresql":
            plan = rows.explain()
        else:
            statement, values = rows.query.sql_with_params()
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN PARTITIONS {statement}", values)
                plan = str(cursor.fetchall())
        assert f"{TABLE}_2026_07" in plan
        for other in ("2026_06", "2026_08", "default"):
            assert f"{TABLE}_{other}" not in plan

    def test_the_command(self, june: None, instance: Instance) -> None:
        put(instance, "2026-06-15")
        output = StringIO()
        call_command("partitions", "status", stdout=output)
        assert f"{TABLE}_2026_06" in output.getvalue()
        output = StringIO()
        call_command("partitions", "create", "--ahead", "4", "--json", stdout=output)
        assert json.loads(output.getvalue())["created"][0] == f"{TABLE}_2026_10"
        with pytest.raises(CommandError, match="keep-months"):
            call_command("partitions", "cleanup", "--keep-months", "0")


@pytest.mark.skipif(SUPPORTED, reason="this database has partitions")
@pytest.mark.django_db
class TestWithoutPartitions:
    def test_it_says_what_it_does_instead(self, instance: Instance) -> None:
        for result in (
            tasks.create_database_size_partitions(), tasks.monitor_partition_health(),
            tasks.cleanup_database_size_partitions(), *tasks.get_partition_management_status()["tables"],
        ):  # fmt: skip
            assert "no partitions" in result["message"]
        assert tasks.monitor_partition_health()["state"] == "healthy"
        assert partitions.upgrade(today=TODAY, ahead=3).upgraded == []
        assert "no partitions" in tasks.upgrade_database_size_tables()["message"]

    def test_pages_and_api_say_it_too(self, instance: Instance, admin_client: Client) -> None:
        answer = admin_client.get("/api/v1/partitions/").json()
        assert (answer["supported"], answer["state"]) == (False, "healthy")
        assert "no partitions" in answer["message"]
        assert "no partitions" in admin_client.get(PAGE).content.decode()

    def test_old_rows_are_deleted_in_small_steps(
        self, instance: Instance, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
    ) -> None:
        monkeypatch.setattr(partitions, "BATCH", 2)
        put(instance, "2025-05-01", "2025-05-02", "2025-05-31", "2025-06-01", "2026-06-15")
        report = partitions.cleanup(today=TODAY, keep_months=12)
        assert (report.rows, report.dropped) == (6, [])
        assert min(DatabaseSize.objects.values_list("date", flat=True)) == date(2025, 6, 1)
