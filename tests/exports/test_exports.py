"""Lists as CSV, from the admin and from the API: complete, filtered, bounded, and harmless to spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from instances.models import AccountChange, Instance
from jobsite import exports
from scheduling.models import Execution, Task
from scheduling.services import history, tasks
from tests.api import world
from tests.api.conftest import Api, errors
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
#: The list's address in the API → its page in the admin.
LISTS = {
    "tasks": "scheduling_task", "executions": "scheduling_execution", "instances": "instances_instance",
    "accounts": "instances_instanceaccount", "account-changes": "instances_accountchange",
    "databases": "instances_instancedatabase", "sizes": "instances_databasesize",
    "sizes/totals": "instances_instancesize", "size-limits": "instances_sizelimit",
    "anomalies": "instances_sizeanomaly", "backups": "instances_backup", "sync-sessions": "instances_syncsession",
    "aggregations": "instances_databasesizeaggregate", "aggregations/totals": "instances_instancesizeaggregate",
    "statements": "instances_statementrun",
}  # fmt: skip


def rows(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def of_page(client: Client, name: str, query: str = "") -> list[dict[str, str]]:
    return rows(client.get(reverse(f"admin:{name}_export") + query))


def client_with(*permissions: str) -> Client:
    user = get_user_model().objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("place", LISTS)
def test_page_and_api_give_the_same_file(place: str, api: Api) -> None:
    world.build()
    page = of_page(api.client, LISTS[place])
    found = rows(api.get(f"{place}/export/"))
    assert page == found
    listed = api.get(f"{place}/").data["results"]
    assert len(found) == len(listed) > 0
    same = set(found[0]) & set(listed[0]) - {"instance", "created_at", "updated_at"}
    assert len(same) > 3
    for row, shown in zip(found, listed, strict=True):
        for name in same & {"id", "key", "name", "state", "kind", "date", "database", "active"}:
            said = shown[name]
            assert row[name] == (str(said).lower() if isinstance(said, bool) else str(said)), name


def test_what_changed_of_an_account_is_said_in_the_same_words(api: Api) -> None:
    world.build()
    granted = [{"on": ["shop"], "rights": {"SELECT": False}}]
    AccountChange.objects.update(
        kind="privileges_changed", difference={"privileges": {"database": {"granted": granted}}}
    )
    (row,), (line,) = api.get("account-changes/").data["results"], rows(api.get("account-changes/export/"))
    assert row["summary"] == line["summary"] != ""


def test_every_list_that_has_a_sheet_is_among_them() -> None:
    with_sheet = {
        f"{model._meta.app_label}_{model._meta.model_name}"
        for model, page in admin.site._registry.items()
        if getattr(page, "sheet", None) is not None
    }
    assert with_sheet == set(LISTS.values())


@pytest.mark.parametrize("name", LISTS.values())
def test_who_may_not_look_gets_no_file(name: str, db: None) -> None:
    assert client_with().get(reverse(f"admin:{name}_export")).status_code == 403
    assert Client().get(reverse(f"admin:{name}_export")).status_code == 302


def test_filters_and_search_narrow_the_file(make_task: MakeTask, admin_client: Client, api: Api) -> None:
    for number in range(3):
        make_task(f"one-{number}", category="one")
    make_task("other", category="two", function="echo", parameters={"values": "x"})
    assert [row["key"] for row in of_page(admin_client, "scheduling_task", "?category=one")] == [
        "one-0", "one-1", "one-2",
    ]  # fmt: skip
    assert [row["key"] for row in of_page(admin_client, "scheduling_task", "?q=echo")] == ["other"]
    (row,) = rows(api.get("tasks/export/", category="two"))
    assert (row["parameters"], row["enabled"]) == ('{"values": "x"}', "true")
    wrong = api.get("tasks/export/", categroy="two")
    assert (wrong.status_code, list(errors(wrong))) == (400, ["categroy"])
    link = f'href="{reverse("admin:scheduling_task_export")}?category=one"'
    assert (
        link
        in admin_client.get(reverse("admin:scheduling_task_changelist") + "?category=one").content.decode()
    )


def test_a_search_is_exported_to_its_end(
    make_task: MakeTask, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list shows the first matches; the file has them all."""
    from scheduling.admin.task import page as task_page

    for number in range(4):
        make_task(f"same-{number}")
    monkeypatch.setattr(task_page, "MOST_FOUND", 2)
    assert len(of_page(admin_client, "scheduling_task", "?q=same")) == 4


def test_executions_follow_the_filters_of_their_list(
    make_task: MakeTask, admin_client: Client, api: Api
) -> None:
    one, other = make_task("one"), make_task("other")
    for task in (one, other, one):
        tasks.run_now(task.pk, actor=TESTER, force=True)
    ids = [str(id) for id in Execution.objects.filter(task=one).order_by("-id").values_list("id", flat=True)]
    assert [row["id"] for row in of_page(admin_client, "scheduling_execution", "?task=one")] == ids
    assert [row["id"] for row in rows(api.get("executions/export/", task="one", state="queued"))] == ids
    assert of_page(admin_client, "scheduling_execution", "?task=misspelt") == []


def test_what_a_spreadsheet_takes_for_a_formula_is_text(make_task: MakeTask, admin_client: Client) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", 'say "no", please\nnow', "喂"]
    for number, name in enumerate(names):
        make_task(f"t{number}", name=name)
    found = [row["name"] for row in of_page(admin_client, "scheduling_task")]
    assert found == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", 'say "no", please\nnow', "喂"]


def test_a_long_list_is_read_in_parts_and_cut(
    make_task: MakeTask, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "BATCH", 2)
    for number in range(7):
        make_task(f"task-{number}")
    assert [row["key"] for row in of_page(admin_client, "scheduling_task")] == [f"task-{n}" for n in range(7)]
    monkeypatch.setattr(exports, "MOST", 5)
    answer = admin_client.get(reverse("admin:scheduling_task_export"))
    assert answer["X-Rows-At-Most"] == "5"
    *kept, cut = rows(answer)
    assert [row["key"] for row in kept] == [f"task-{number}" for number in range(5)]
    assert cut["key"] == "# Cut after 5 rows: narrow the list for the others."
    monkeypatch.setattr(exports, "MOST", 7)
    assert len(of_page(admin_client, "scheduling_task")) == 7, "what fits is not cut"


def test_the_history_is_read_in_parts(make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    from scheduling.services import sheets

    monkeypatch.setattr(sheets, "BATCH", 2)
    task = make_task()
    for _number in range(5):
        tasks.run_now(task.pk, actor=TESTER, force=True)
    with CaptureQueriesContext(connection) as queries:
        batches = list(sheets.executions(history.Wanted()))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert len(queries) == 6
    assert not [query["sql"] for query in queries if "OFFSET" in query["sql"] or "COUNT(" in query["sql"]]


def test_no_password_is_in_a_file(admin_client: Client, make_instance: Any) -> None:
    instance = make_instance("one")
    Instance.objects.filter(pk=instance.pk).update(last_error="=cmd")
    (row,) = of_page(admin_client, "instances_instance")
    assert (row["name"], row["credential"], row["last_error"]) == ("one", instance.credential.name, "'=cmd")
    assert not [name for name in row if "password" in name]
