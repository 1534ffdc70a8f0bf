"""``manage.py instance VERB``: what the pages of instances do, for programs."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from instances.models import Instance, InstanceSize, SizeLimit
from instances.services.requests import ACCOUNTS_TASK, SIZES_TASK
from scheduling.models import Execution
from tests.instances.servers import PASSWORD

pytestmark = pytest.mark.django_db


def objects(*arguments: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    call_command("instance", *arguments, "--json", stdout=out, stderr=io.StringIO())
    assert PASSWORD not in out.getvalue()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def refused(*arguments: str) -> str:
    said = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("instance", *arguments, stdout=io.StringIO(), stderr=said)
    return said.getvalue() + str(caught.value)


def test_list(make_instance: Any) -> None:
    instance = make_instance("a")
    InstanceSize.objects.create(
        instance=instance,
        date="2026-06-01",
        total_bytes=5,
        database_count=1,
        collected_at=instance.created_at,
    )
    (row,) = objects("list")
    assert (row["name"], row["status"], row["port"], row["total_bytes"]) == ("a", "unknown", 5432, 5)
    assert objects("list", "--deleted") == []


def test_tests_go_on_after_one_that_fails(make_instance: Any, of_server: Any, postgres: Any) -> None:
    make_instance("bad", host="127.0.0.1", port=1)
    of_server(postgres, "good")
    said = refused("test", "bad", "good")
    assert said.startswith("bad: ")
    assert said.endswith("1 of 2 refused.")
    assert set(Instance.objects.values_list("name", "status")) == {("good", "ok"), ("bad", "failed")}
    (row,) = objects("test", "good")
    assert (row["product"], row["status"]) == ("PostgreSQL", "ok")
    assert row["rights"]["found"]
    assert row["rights"]["missing"] == []


def test_limit_is_set_changed_and_taken_away(make_instance: Any) -> None:
    make_instance("a")
    (row,) = objects("limit", "a", "500GiB")
    assert (row["name"], row["limit_bytes"], row["full_on"]) == ("a", 500 * 2**30, None)
    objects("limit", "a", "1.5T")
    objects("limit", "a", "20 MiB", "--database", "sales")
    kept = set(SizeLimit.objects.values_list("instance__name", "database", "limit_bytes"))
    assert kept == {("a", "", 3 * 2**39), ("a", "sales", 20 * 2**20)}
    objects("limit", "a", "none")
    assert SizeLimit.objects.get().database == "sales"
    assert "It has no limit." in refused("limit", "a", "none")
    assert "give one such as 500 GiB" in refused("limit", "a", "much")
    assert "nobody" in refused("limit", "nobody", "5 GiB")
    assert SizeLimit.objects.count() == 1


@pytest.mark.parametrize(("what", "task"), [("sizes", SIZES_TASK), ("accounts", ACCOUNTS_TASK)])
def test_collect_asks_for_one_run(what: str, task: str, make_instance: Any, make_task: Any) -> None:
    make_instance("a"), make_instance("b"), make_instance("off", active=False)
    assert "There is no task" in refused("collect", "a", "--what", what)
    make_task(task, function=task)
    (row,) = objects("collect", "--all", "--what", what)
    execution = Execution.objects.get(pk=row["id"])
    assert (execution.task_key, execution.parameters["instances"]) == (task, ["a", "b"])
    assert "not active" in refused("collect", "off", "--what", what)


def test_delete_and_restore(make_instance: Any) -> None:
    make_instance("a")
    assert objects("delete", "a")[0]["deleted_at"]
    assert [row["name"] for row in objects("list", "--deleted")] == ["a"]
    assert "is in the recycle bin" in refused("test", "a")
    assert objects("restore", "a")[0]["deleted_at"] is None


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("test",), "Give either names or --all."),
        (("collect", "a", "--all"), "Give either names or --all."),
        (("delete", "aa", "x"), "Did you mean 'a'?"),
        (("collect", "a", "--what", "dust"), "choose from"),
    ],
)
def test_a_fault_names_what_is_allowed(arguments: tuple[str, ...], part: str, make_instance: Any) -> None:
    make_instance("a")
    assert part in refused(*arguments)
