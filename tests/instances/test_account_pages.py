"""The pages of accounts, their changes, sizes by period, partitions, and the verbs of a session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from instances.dialects.grants import Grant
from instances.dialects.readings import AccountReading, AccountsReading, ServerReading
from instances.models import (
    AccountChange,
    Instance,
    InstanceAccount,
    InstanceDatabase,
    InstanceSize,
    SizeLimit,
    StatementRun,
    SyncSession,
    Tag,
)  # fmt: skip
from instances.services import accounts, partitions, sessions
from scheduling import clock
from scheduling.models import Execution
from tests.conftest import ROOT
from tests.instances.servers import TRUSTED

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAME = "<b>&\"'销售"


@pytest.fixture
def account(make_instance: Any) -> InstanceAccount:
    """One with awkward names, facts and a history."""
    instance = make_instance()
    for hour, right in enumerate(("SELECT", "INSERT")):
        grants = (
            Grant("table", ("shop", "<i>x</i>"), right, True),
            Grant("database", ("shop",), "CONNECT", default=True),
        )
        reading = AccountReading(NAME, NAME, superuser=hour == 1, attributes={"login": True}, grants=grants)
        whole = AccountsReading(ServerReading("x", "1", "X", 1), (reading,))
        accounts.save(instance, whole, session=None, now=NOON + timedelta(hours=hour), leave_out={})
    return InstanceAccount.objects.get()


def page(client: Any, name: str, *args: Any) -> str:
    answer = client.get(reverse(f"admin:instances_{name}", args=args))
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_an_account_with_its_rights_and_its_history(
    admin_client: Any, account: InstanceAccount, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(25):
        text = page(admin_client, "instanceaccount_change", account.pk)
    for words in (
        "May do everything on this server.", "INSERT with grant option", "shop.&lt;i&gt;x&lt;/i&gt;", "by default",
        "granted INSERT", "revoked SELECT", "superuser: no → yes", "GRANT OPTION (shop.",
    ):  # fmt: skip
        assert words in text, words
    assert "<i>x</i>" not in text
    assert "<b>&" not in text


def test_a_list_reads_no_rights(admin_client: Any, account: InstanceAccount) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert "销售" in page(admin_client, "instanceaccount_changelist")
    assert not [one for one in queries.captured_queries if "privileges" in one["sql"]]


def test_a_change_line_by_line(admin_client: Any, account: InstanceAccount) -> None:
    change = AccountChange.objects.order_by("-id")[0]
    text = page(admin_client, "accountchange_change", change.pk)
    assert "granted INSERT with grant option on shop.&lt;i&gt;x&lt;/i&gt;" in text
    assert "privileges changed" in page(admin_client, "accountchange_changelist")


def test_a_change_in_chinese(admin_client: Any, account: InstanceAccount) -> None:
    text = str(
        admin_client.get(
            reverse("admin:instances_instanceaccount_change", args=[account.pk]),
            headers={"accept-language": "zh-hans"},
        ).content.decode()
    )
    assert "上的 INSERT" in text
    assert "可登录：– → 是" in text
    assert "超级用户：否 → 是" in text
    for english in ("granted", "revoked", "superuser", "login:"):
        assert english not in text.partition('id="history-title"')[2].partition("</section>")[0], english


def test_a_name_is_shown_as_it_is_written(admin_client: Any, make_instance: Any) -> None:
    """“sales” and “Sales” are two: the head of a page made one of them."""
    instance = make_instance("sales")
    head = page(admin_client, "instance_change", instance.pk).partition("<main")[0]
    assert "Sales" not in head
    assert "sales" in head


def test_what_is_not_so_is_no_fault(admin_client: Any, account: InstanceAccount) -> None:
    """A red cross at each account that is no superuser looked like one."""
    text = page(admin_client, "instanceaccount_changelist")
    cell = text.partition('class="field-locked')[2].partition("</td>")[0]
    assert "–" in cell
    assert "yes" in text.partition('class="field-superuser')[2].partition("</td>")[0]


def test_a_statement_is_told_in_words(admin_client: Any, make_instance: Any) -> None:
    instance = make_instance('pg "主库"')
    row = StatementRun.objects.create(
        at=NOON, source="page", statement="SELECT 1", writes=False, instances=[instance.name],
        errors={instance.name: "no <b>"}, execution_id=7,
    )  # fmt: skip
    row.asked_of.add(instance)
    text = page(admin_client, "statementrun_change", row.pk)
    assert "<strong>pg &quot;主库&quot;</strong> no &lt;b&gt;" in text
    assert "\\u" not in text
    assert reverse("admin:scheduling_execution_change", args=[7]) in text


def test_days_are_shown_as_days_are_shown_elsewhere(admin_client: Any, make_instance: Any) -> None:
    InstanceSize.objects.create(
        instance=make_instance(), date=NOON.date(), total_bytes=1, database_count=1, collected_at=NOON
    )
    assert "2026-06-01</span>" in page(admin_client, "instancesize_changelist")


def test_partitions(admin_client: Any, client: Any, django_user_model: Any) -> None:
    text = page(admin_client, "partitions")
    assert "instances_databasesize" in text
    call_command("load_tasks", str(ROOT / "instances" / "default_tasks.yaml"), stdout=StringIO())
    verb = "create" if partitions.is_supported() else "cleanup"
    assert f'value="{verb}"' in text
    for posted, asked in ((verb, 1), ("drop", 0), ("", 0)):
        Execution.objects.all().delete()
        answer = admin_client.post(reverse("admin:instances_partitions"), {"verb": posted})
        assert (answer.status_code, Execution.objects.count()) == (302, asked)
    alice = django_user_model.objects.create_user("alice", is_staff=True)
    client.force_login(alice)
    assert client.get(reverse("admin:instances_partitions")).status_code == 403
    alice.user_permissions.add(Permission.objects.get(codename="view_databasesize"))
    client.force_login(django_user_model.objects.get(pk=alice.pk))
    assert client.get(reverse("admin:instances_partitions")).status_code == 200
    assert client.post(reverse("admin:instances_partitions")).status_code == 403


def test_tags_are_made_and_removed_by_their_service(admin_client: Any) -> None:
    address = reverse("admin:instances_tag_add")
    admin_client.post(address, {"name": "Team A", "label": "", "category": "", "colour": "#1f6feb"})
    assert not Tag.objects.exists()
    admin_client.post(address, {"name": "team-a", "label": "Team A", "category": "team", "colour": "#1f6feb"})
    assert str(Tag.objects.get()) == "Team A"


class TestSession:
    @pytest.fixture
    def session(self, make_instance: Any) -> SyncSession:
        return sessions.create(
            "size", "manual_batch", [make_instance("a"), make_instance("b")], actor=TRUSTED
        )

    def test_cancel_then_visit_again(self, admin_client: Any, session: SyncSession, make_task: Any) -> None:
        make_task("collect_database_sizes", function="collect_database_sizes")
        first, second = session.records.order_by("pk")
        sessions.start(first)
        assert "Cancel what has not begun" in page(admin_client, "syncsession_change", session.pk)
        admin_client.post(reverse("admin:instances_syncsession_cancel", args=[session.pk]))
        second.refresh_from_db()
        assert second.state == "cancelled"
        sessions.fail(first, "no")
        sessions.finish(session)
        assert "Visit again what failed" in page(admin_client, "syncsession_change", session.pk)
        answer = admin_client.post(
            reverse("admin:instances_syncsession_retry", args=[session.pk]), follow=True
        )
        assert "visited again by run" in answer.content.decode()

    def test_who_may_not_run_tasks_may_not(
        self, client: Any, session: SyncSession, django_user_model: Any
    ) -> None:
        client.force_login(django_user_model.objects.create_user("alice", is_staff=True))
        for verb in ("cancel", "retry"):
            address = reverse(f"admin:instances_syncsession_{verb}", args=[session.pk])
            assert client.post(address).status_code == 403
            assert client.get(address).status_code == 405


def test_the_page_of_an_instance_tells_rights_and_takes_tags(
    admin_client: Any, of_server: Any, mariadb: Any
) -> None:
    from instances.models import Instance
    from instances.services import instances

    instance = of_server(mariadb, "my")
    instances.test_connection(instance, actor=TRUSTED)
    Instance.objects.update(
        rights={"found": ["accounts"], "missing": [{"purpose": "x", "statement": "GRANT <p>;"}]}
    )
    text = page(admin_client, "instance_change", instance.pk)
    assert "What the user may do here" in text
    assert "GRANT &lt;p&gt;;" in text
    tags = [Tag.objects.create(name=name) for name in ("team-a", "pii")]
    fields = {name: getattr(instance, name) or "" for name in ("name", "dialect", "host", "port", "database")}
    fields |= {"credential": instance.credential_id, "options": "{}", "environment": "test", "active": "on"}
    fields |= {"options": '{"connect_timeout_seconds": 20}', "tags": [tag.pk for tag in tags]}
    answer = admin_client.post(reverse("admin:instances_instance_change", args=[instance.pk]), fields)
    assert answer.status_code == 302, answer.content.decode()[:3000]
    assert set(instance.tags.values_list("name", flat=True)) == {"team-a", "pii"}
    listed = admin_client.get(reverse("admin:instances_instance_changelist"), {"environment__exact": "test"})
    assert "my" in listed.content.decode()


def test_lists_are_narrowed_by_instance_and_by_change(admin_client: Client, make_instance: Any) -> None:
    """Kind, environment and tag of the instance; accounts that have changed since a moment."""
    now = clock.now()
    one = make_instance("one", environment="production")
    two = make_instance("two", dialect="mysql", environment="test")
    tag = Tag.objects.create(name="shop")
    one.tags.add(tag)
    for instance, days in ((one, 1), (two, 20)):
        seen = {"instance": instance, "name": f"of {instance}", "first_seen_at": now, "last_seen_at": now}
        account = InstanceAccount.objects.create(username="x", privileges={}, **seen)
        AccountChange.objects.create(
            instance=instance, account=account, name=account.name, kind="added", at=now - timedelta(days=days)
        )
    lists = ("/admin/instances/instanceaccount/", "/admin/instances/accountchange/")
    for address in lists:
        for query in ("dialect=postgresql", "environment=production", "tag=shop", "since=7"):
            page = admin_client.get(f"{address}?{query}").content.decode()
            assert ("of one" in page, "of two" in page) == (True, False), (address, query)
        assert "of two" in admin_client.get(f"{address}?since=30").content.decode()
    moment = (now - timedelta(days=7)).isoformat().replace("+00:00", "Z")
    for place in ("accounts", "account-changes"):
        for query in ("dialect=postgresql", "environment=production", "tag=shop", f"changed_since={moment}"):
            rows = admin_client.get(f"/api/v1/{place}/?{query}").json()["results"]
            assert [row["name"] for row in rows] == ["of one"], (place, query)
        assert admin_client.get(f"/api/v1/{place}/?changed_since=once").status_code == 400


def test_the_page_that_says_who_can(admin_client: Client, make_instance: Any) -> None:
    now = clock.now()
    one, two = make_instance("one"), make_instance("two")
    make_instance("nothing known")
    make_instance("file", dialect="sqlite", host="", database=str(settings.JOBSITE_SQLITE_ROOTS[0] / "a"))
    for instance in (one, two, Instance.objects.get(name="file")):
        InstanceDatabase.objects.create(instance=instance, name="d", first_seen_at=now, last_seen_at=now)
    seen = {"instance": one, "first_seen_at": now, "last_seen_at": now}
    InstanceAccount.objects.create(name="<root>", username="r", privileges={}, superuser=True, **seen)
    InstanceAccount.objects.create(name="hidden", username="h", privileges=None, **seen)
    address = "/admin/instances/instanceaccount/who-can/"
    assert "&lt;root&gt;" not in admin_client.get(address).content.decode()
    page = admin_client.get(f"{address}?action=write&database=d").content.decode()
    for words in ("&lt;root&gt;", "SUPERUSER on the whole server", "has not told the rights of 1 account",
                  "Its accounts have not been collected", "nothing known", "has no accounts"):  # fmt: skip
        assert words in page, words
    assert "&lt;root&gt;" not in admin_client.get(f"{address}?database=d&account=none").content.decode()
    answer = admin_client.get("/api/v1/access/?action=write&database=d").json()
    assert [row["instance"] for row in answer["results"]] == ["file", "one", "two"]
    (found,) = answer["results"][1]["accounts"]
    reason = {"path": "superuser", "rights": ["SUPERUSER"], "on": [], "via": [], "grantable": False}
    assert (found["name"], found["reasons"]) == ("<root>", [reason])
    assert (answer["results"][1]["unread"], answer["results"][2]["as_of"]) == (1, None)
    assert (answer["next"], answer["not_collected"]) == (None, ["nothing known"])
    for query in ("", "action=write", "action=own&database=d", "action=read&database=d&databse=x"):
        assert admin_client.get(f"/api/v1/access/?{query}").status_code == 400, query


def test_the_page_of_a_limit_names_what_it_is_of(admin_client: Any, make_instance: Any) -> None:
    instance = make_instance("shop main")
    for database in ("", "sales"):
        limit = SizeLimit.objects.create(
            instance=instance, database=database, limit_bytes=1, computed_at=NOON
        )
        head = page(admin_client, "sizelimit_change", limit.pk).partition("<main")[0]
        assert ("shop main: sales" if database else "shop main") in head
