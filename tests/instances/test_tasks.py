from __future__ import annotations

import os
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import instances as instances_app
from instances import tasks
from instances.exceptions import (
    CleanupIncomplete,
    CollectionFailed,
    ConfigurationInvalid,
    FolderRefused,
    OptionsInvalid,
    UnknownInstance,
)
from instances.models import Credential, DatabaseSize, Instance, InstanceAccount, InstanceSize, SyncSession
from instances.services import instances, logfiles, sizes
from scheduling import clock, registry, triggers
from scheduling.exceptions import ParametersInvalid
from tests.instances.servers import TRUSTED

pytestmark = pytest.mark.django_db

NAMES = {
    "collect_database_sizes",
    "collect_specific_instance_database_sizes",
    "collect_database_sizes_by_type",
    "cleanup_old_logs",
    "sync_accounts",
    "get_collection_status",
    "close_lost_sessions",
    "database_backup",
    "run_sql",
    "run_writing_sql",
    "validate_collection_config",
    "calculate_database_size_aggregations",
    "calculate_instance_aggregations",
    "calculate_period_aggregations",
    "get_aggregation_status",
    "validate_aggregation_config",
    "cleanup_old_aggregations",
    "create_database_size_partitions",
    "cleanup_database_size_partitions",
    "monitor_partition_health",
    "get_partition_management_status",
    "upgrade_database_size_tables",
    "cleanup_old_sessions",
    "cleanup_old_account_changes",
}


def test_they_are_registered_without_problems() -> None:
    assert set(registry.functions()) >= NAMES
    assert [
        problem for problem in registry.problems() if any(name in problem.message for name in NAMES)
    ] == []
    for name in NAMES:
        function = registry.get(name)
        assert function.description
        assert all(one.get("description") for one in function.schema.get("properties", {}).values()), name


@pytest.mark.parametrize(
    ("name", "values", "field", "words"),
    [
        ("collect_database_sizes", {"instances": "one"}, "instances", "list"),
        ("collect_database_sizes", {"instances": []}, "instances", "1"),
        ("collect_database_sizes", {"instances": [1]}, "instances", "text"),
        ("collect_database_sizes", {"instance": "x"}, "instance", "instances"),
        ("collect_specific_instance_database_sizes", {}, "instance", "required|missing"),
        ("collect_specific_instance_database_sizes", {"instance": ""}, "instance", "1"),
        ("collect_database_sizes_by_type", {"db_type": "mysq"}, "db_type", "mysql"),
        ("collect_database_sizes_by_type", {"db_type": "MYSQL"}, "db_type", "postgresql"),
        ("sync_accounts", {"leave_out": {"postgre": ["a"]}}, "leave_out", "postgresql"),
        ("sync_accounts", {"leave_out": {"mysql": "a"}}, "leave_out", "list"),
        ("calculate_period_aggregations", {"period": "year", "first": "2026-01-01"}, "period", "quarter"),
        ("calculate_period_aggregations", {"period": "day", "first": "2026-02-30"}, "first", "date"),
        ("cleanup_old_aggregations", {"day_months": 0}, "day_months", "1"),
        ("create_database_size_partitions", {"months_ahead": 0}, "months_ahead", "1"),
        ("cleanup_old_logs", {"keep_days": 0}, "keep_days", "1"),
        ("cleanup_old_logs", {"keep_days": "30"}, "keep_days", "integer"),
        ("cleanup_old_logs", {"keep_days": 1e9}, "keep_days", "integer|36500"),
        ("cleanup_old_logs", {"pattern": ""}, "pattern", "1"),
        ("cleanup_old_logs", {"pattern": "../*"}, "pattern", "pattern"),
        ("cleanup_old_logs", {"folders": []}, "folders", "1"),
    ],
)
def test_bad_parameters_are_refused_by_name(name: str, values: Any, field: str, words: str) -> None:
    with pytest.raises(ParametersInvalid, match=f"(?i){words}") as caught:
        registry.get(name).validate(values)
    assert any(key.split(".")[0].split("[")[0] == field for key in caught.value.errors)


def test_the_kinds_are_those_of_the_table() -> None:
    schema = registry.get("collect_database_sizes_by_type").schema
    assert "postgresql" in str(schema["properties"]["db_type"])


def test_the_default_tasks_name_registered_functions_and_good_schedules() -> None:
    path = Path(instances_app.__file__).with_name("default_tasks.yaml")
    listed = yaml.safe_load(path.read_text())["default_tasks"]
    assert {one["id"] for one in listed} == {
        "cleanup_old_logs",
        "collect_database_sizes",
        "sync_accounts",
        "calculate_database_size_aggregations",
        "monitor_partition_health",
        "close_lost_sessions",
        "create_database_size_partitions",
        "cleanup_database_size_partitions",
        "upgrade_database_size_tables",
        "cleanup_old_sessions",
        "cleanup_old_account_changes",
        "cleanup_old_aggregations",
    }
    for one in listed:
        registry.get(one["function"]).validate(one.get("parameters", {}))
        triggers.build(one["trigger_type"], one["trigger_params"], zone="Asia/Shanghai")


def test_without_instances_it_succeeds_and_says_so() -> None:
    result = tasks.collect_database_sizes()
    assert result["total"] == 0
    assert "no active instance" in result["message"]
    assert not SyncSession.objects.exists()


def test_it_collects_and_counts(of_server: Any, postgres: Any, make_instance: Any) -> None:
    of_server(postgres, "pg")
    make_instance("dead", host="127.0.0.1", port=1)
    make_instance("asleep", host="127.0.0.1", port=2, active=False)
    result = tasks.collect_database_sizes()
    assert (result["status"], result["total"], result["succeeded"], result["failed"]) == (
        "partly_failed",
        2,
        1,
        1,
    )
    assert list(result["errors"]) == ["dead"]
    assert result["databases"]["created"] == DatabaseSize.objects.count() > 0
    assert SyncSession.objects.get().origin == "manual_batch"


def test_nothing_but_failures_raises(make_instance: Any) -> None:
    make_instance("dead", host="127.0.0.1", port=1)
    with pytest.raises(CollectionFailed, match=r"dead: .*refused"):
        tasks.collect_database_sizes()


def test_one_instance(of_server: Any, postgres: Any) -> None:
    instance = of_server(postgres, "pg")
    assert tasks.collect_specific_instance_database_sizes("pg")["succeeded"] == 1
    assert SyncSession.objects.get().origin == "manual_single"
    instances.delete(instance, actor=TRUSTED)
    for name in ("pg", "nobody"):
        with pytest.raises(UnknownInstance, match=name):
            tasks.collect_specific_instance_database_sizes(name)


def test_one_kind(of_server: Any, postgres: Any, make_instance: Any, tmp_path: Path) -> None:
    import contextlib
    import sqlite3

    of_server(postgres, "pg")
    path = tmp_path / "files" / "a.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (a)")
    make_instance("lite", dialect="sqlite", host="", database=str(path))
    assert tasks.collect_database_sizes_by_type("sqlite")["total"] == 1
    assert DatabaseSize.objects.get().total_bytes == path.stat().st_size
    assert tasks.collect_database_sizes_by_type("mysql")["total"] == 0


def test_accounts_of_all_that_have_any(
    of_server: Any, postgres: Any, make_instance: Any, tmp_path: Path
) -> None:
    of_server(postgres, "pg")
    make_instance("lite", dialect="sqlite", host="", database=str(tmp_path / "files" / "a.sqlite3"))
    result = tasks.sync_accounts(leave_out={"postgresql": ["post*"]})
    assert (result["status"], result["total"]) == ("completed", 1)
    assert result["accounts"]["created"] == InstanceAccount.objects.count() > 0
    assert not InstanceAccount.objects.filter(name="postgres").exists()
    assert SyncSession.objects.get().category == "account"
    with pytest.raises(CollectionFailed, match="no accounts"):
        tasks.sync_accounts(instances=["lite"])


class TestAggregates:
    def test_the_nightly_one_and_its_status(self, of_server: Any, postgres: Any, make_instance: Any) -> None:
        of_server(postgres, "pg")
        make_instance("never", host="127.0.0.1", port=1)
        tasks.collect_database_sizes()
        assert tasks.get_aggregation_status()["periods"]["running day"]["missing"] == ["pg"]
        result = tasks.calculate_database_size_aggregations()
        assert (result["status"], result["total"]) == ("completed", 2)
        # Each database and the instance, in the running day, week, month and quarter.
        assert result["rows"]["created"] == (DatabaseSize.objects.count() + 1) * 4
        status = tasks.get_aggregation_status()
        assert status["last_session"]["status"] == "completed"
        assert status["periods"]["running quarter"]["instances"] == 1
        assert all(period["missing_count"] == 0 for period in status["periods"].values())

    def test_how_the_periods_stand_is_a_page_and_an_answer(
        self, admin_client: Client, make_instance: Any
    ) -> None:
        """The same as the task says, in few questions; what is hidden from the person is not in it."""
        instance, hidden = make_instance("salg’s <db>"), make_instance("hidden")
        today = sizes.day_of(clock.now())
        for each in (instance, hidden):
            InstanceSize.objects.create(
                instance=each, date=today, total_bytes=5, database_count=1, collected_at=clock.now()
            )
        page = "/admin/instances/databasesizeaggregate/standing/"
        with CaptureQueriesContext(connection) as queries:
            text = unescape(admin_client.get(page).content.decode())
        assert len(queries) <= 12
        assert "salg’s <db>" in text
        assert "No computation is on record" in text
        tasks.calculate_database_size_aggregations()
        text = unescape(admin_client.get(page).content.decode())
        assert "salg’s <db>" not in text
        assert "Last computed" in text
        answer = admin_client.get("/api/v1/aggregations/status/").json()
        assert answer["periods"]["running week"]["instances"] == 2
        for level in ("databasesizeaggregate", "instancesizeaggregate"):
            assert page in admin_client.get(f"/admin/instances/{level}/").content.decode()
        hidden.restricted_to.add(Group.objects.create(name="others"))
        person = get_user_model().objects.create_user("anna", is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename="view_databasesizeaggregate"))
        admin_client.force_login(person)
        answer = admin_client.get("/api/v1/aggregations/status/").json()
        assert answer["periods"]["running week"]["instances"] == 1
        person.user_permissions.clear()
        assert admin_client.get(page).status_code == 403

    def test_a_range_that_makes_no_sense_is_refused(self) -> None:
        for first, last in ((date(2026, 2, 1), date(2026, 1, 1)), (date(1990, 1, 1), date(2026, 1, 1))):
            with pytest.raises(OptionsInvalid, match=r"before|at most"):
                tasks.calculate_period_aggregations("day", first, last)

    def test_one_instance_also_when_it_is_not_active(self, make_instance: Any) -> None:
        make_instance("asleep", active=False)
        assert tasks.calculate_instance_aggregations("asleep")["total"] == 1
        assert (
            tasks.calculate_period_aggregations("week", date(2026, 1, 1), instances=["asleep"])["succeeded"]
            == 1
        )
        with pytest.raises(UnknownInstance, match="asleep"):
            tasks.calculate_instance_aggregations("asleeb")


class TestStatusAndValidation:
    def test_the_status_names_what_is_missing(
        self, of_server: Any, postgres: Any, make_instance: Any
    ) -> None:
        of_server(postgres, "pg")
        make_instance("dead", host="127.0.0.1", port=1)
        assert tasks.get_collection_status()["last_sessions"] == {"size": None, "account": None}
        tasks.collect_database_sizes()
        status = tasks.get_collection_status()
        assert (status["active_instances"], status["collected_today"], status["missing_today"]) == (
            2,
            1,
            ["dead"],
        )
        assert status["unreachable"] == ["dead"]
        assert status["last_sessions"]["size"]["status"] == "partly_failed"

    def test_each_bad_value_is_named(self, make_instance: Any, make_credential: Any, settings: Any) -> None:
        settings.JOBSITE_TASK_TIME_ZONE = "Mars/Olympus"
        settings.JOBSITE_KEEP_SIZES_MONTHS = 2
        make_instance("good")
        make_instance("odd", credential=make_credential("other"))
        Instance.objects.filter(name="odd").update(options={"tsl": "require"})
        credential = make_credential("off")
        make_instance("locked out", credential=credential)
        Credential.objects.filter(pk=credential.pk).update(active=False)
        with pytest.raises(ConfigurationInvalid) as caught:
            tasks.validate_collection_config()
        text = str(caught.value)
        for words in (
            "Mars/Olympus",
            "odd: There is no option 'tsl'",
            "locked out: The credential “off”",
            "No task calls",
        ):
            assert words in text
        assert "good:" not in text
        with pytest.raises(ConfigurationInvalid, match="JOBSITE_KEEP_SIZES_MONTHS is 2"):
            tasks.validate_aggregation_config()

    def test_what_is_in_order_passes(self, make_instance: Any, make_task: Any) -> None:
        for name in ("collect_database_sizes", "sync_accounts", "calculate_database_size_aggregations"):
            make_task(name, function=name)
        make_instance("good")
        assert tasks.validate_collection_config()["faults"] == []
        assert tasks.validate_aggregation_config()["status"] == "valid"


class TestCleanup:
    def test_it_tells_what_it_freed(self, tmp_path: Path) -> None:
        path = tmp_path / "log" / "a.log"
        path.write_bytes(b"x" * 5000)
        os.utime(path, (0, 0))
        result = tasks.cleanup_old_logs()
        assert result["removed"] == 1
        assert result["freed_bytes"] >= 5000
        assert not path.exists()

    def test_a_missing_folder_is_told(self, settings: Any, tmp_path: Path) -> None:
        settings.JOBSITE_LOG_ROOTS = [tmp_path / "nowhere"]
        assert tasks.cleanup_old_logs()["missing_folders"] == [str(tmp_path / "nowhere")]

    def test_a_folder_elsewhere_raises(self) -> None:
        with pytest.raises(FolderRefused):
            tasks.cleanup_old_logs(folders=["/etc"])

    def test_what_could_not_be_done_raises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        report = logfiles.CleanupReport(removed=1, errors=["a.log: Permission denied"])
        monkeypatch.setattr(logfiles, "cleanup", lambda *_args, **_named: report)
        with pytest.raises(CleanupIncomplete, match=r"1 files removed.*a\.log: Permission denied"):
            tasks.cleanup_old_logs()
