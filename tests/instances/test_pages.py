"""What the pages of instances show, and their verbs: by POST, with the permission, told when refused."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from instances.models import DatabaseSize, Instance, InstanceSize, SyncRecord, SyncSession
from instances.services import instances, sessions
from instances.services.requests import ACCOUNTS_TASK, SIZES_TASK
from instances.services.sessions import RowCounts
from scheduling.clock import SettableClock
from scheduling.models import Execution
from scheduling.services.actor import SYSTEM
from tests.instances.servers import PASSWORD, TRUSTED

pytestmark = pytest.mark.django_db
GIB = 1024**3


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:instances_{name}", args=args)


@pytest.fixture
def grown(make_instance: Any, clock: SettableClock) -> Instance:
    """Sizes of ten days, with two days' gap; the newest day has two databases, and one without a size."""
    instance = make_instance("pg")
    now = clock.now()
    for age in (9, 8, 7, 4, 3, 2, 1, 0):
        InstanceSize.objects.create(
            instance=instance, date=(now - timedelta(days=age)).date(), total_bytes=(20 - age) * GIB,
            database_count=3, unknown_count=1, collected_at=now - timedelta(days=age),
        )  # fmt: skip
    for name, size in (("shop", 15 * GIB), ("<b>&", 5 * GIB), ("hidden", None)):
        DatabaseSize.objects.create(
            instance=instance, database=name, date=now.date(), total_bytes=size, collected_at=now,
            reason="" if size else "not allowed",
        )  # fmt: skip
    DatabaseSize.objects.create(  # dropped since an earlier collection of the same day
        instance=instance, database="dropped", date=now.date(), total_bytes=1, collected_at=now - timedelta(hours=1)
    )  # fmt: skip
    return instance


class TestInstancePage:
    def test_the_chart_has_its_gaps_and_a_table_beside_it(
        self, admin_client: Client, grown: Instance
    ) -> None:
        page = admin_client.get(url("instance_change", grown.pk)).content.decode()
        assert page.count('<polyline class="curve-line"') == 2  # before and after the gap
        assert "2026-05-25: 13.0 GiB" in page
        assert re.search(r"Not collected:\s+2026-05-26 – 2026-05-27", page)
        assert page.count("not collected") == 2
        # Since yesterday, and in 7 days.
        assert page.index("+1.0 GiB") < page.index("+7.0 GiB")

    def test_databases_with_their_shares(self, admin_client: Client, grown: Instance) -> None:
        page = admin_client.get(url("instance_change", grown.pk)).content.decode()
        assert "75 %" in page
        assert 'value="0.25"' in page
        assert "&lt;b&gt;&amp;" in page
        assert "not allowed" in page
        assert "dropped" not in page

    def test_spans(self, admin_client: Client, grown: Instance) -> None:
        shown = admin_client.get(url("instance_change", grown.pk) + "?days=30")
        assert shown.context["span"] == 30
        assert admin_client.get(url("instance_change", grown.pk) + "?days=7000").context["span"] == 90

    def test_one_without_sizes_says_how_to_get_some(self, admin_client: Client, make_instance: Any) -> None:
        page = admin_client.get(url("instance_change", make_instance().pk)).content.decode()
        assert "No sizes yet" in page

    def test_its_queries_are_bounded(
        self, admin_client: Client, grown: Instance, django_assert_max_num_queries: Any
    ) -> None:
        session = sessions.create("size", "manual_batch", [grown], actor=SYSTEM)
        for address in (url("instance_change", grown.pk), url("syncsession_change", session.pk)):
            admin_client.get(address)  # what Django keeps for ever is read once
            with django_assert_max_num_queries(12):
                assert admin_client.get(address).status_code == 200

    def test_the_list_shows_state_size_and_curve(self, admin_client: Client, grown: Instance) -> None:
        page = admin_client.get(url("instance_changelist")).content.decode()
        assert f">{grown.host}:{grown.effective_port}<" in page or f">{grown.database}<" in page
        assert str(grown.taken_place) not in page
        assert "20.0 GiB" in page
        assert "never reached" in page
        assert page.count("<polyline") == 2  # before and after the gap
        assert "from 11.0 GiB to 20.0 GiB" in page


class TestVerbs:
    @pytest.fixture
    def viewer(self, client: Client) -> Client:
        user = User.objects.create_user("eve", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        client.force_login(user)
        return client

    @pytest.mark.parametrize("verb", ["test", "collect", "accounts", "restore"])
    def test_who_may_only_look_sees_no_button_and_is_refused(
        self, verb: str, viewer: Client, make_instance: Any
    ) -> None:
        instance = make_instance()
        page = viewer.get(url("instance_change", instance.pk))
        assert page.status_code == 200
        assert "instance_" + verb not in page.content.decode()
        assert f"/{verb}/" not in page.content.decode()
        assert viewer.post(url(f"instance_{verb}", instance.pk)).status_code == 403
        assert viewer.post(url(f"instance_{verb}", 999)).status_code == 403

    @pytest.mark.parametrize("verb", ["test", "collect", "accounts", "restore"])
    def test_never_by_get_and_never_without_a_token(
        self, verb: str, admin_client: Client, admin_user: Any, make_instance: Any
    ) -> None:
        address = url(f"instance_{verb}", make_instance().pk)
        assert admin_client.get(address).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(admin_user)
        assert strict.post(address).status_code == 403
        assert admin_client.post(url(f"instance_{verb}", 999)).status_code == 404

    def test_a_test_says_what_it_found(self, admin_client: Client, make_instance: Any) -> None:
        instance = make_instance(host="127.0.0.1", port=1)
        shown = admin_client.post(url("instance_test", instance.pk), follow=True)
        assert PASSWORD not in shown.content.decode()
        assert str(next(iter(shown.context["messages"]))).startswith("one: ")
        instance.refresh_from_db()
        assert instance.status == "failed"
        assert 'role="alert"' in shown.content.decode()

    def test_collecting_asks_for_a_run(
        self, admin_client: Client, make_instance: Any, make_task: Any
    ) -> None:
        instance = make_instance()
        missing = admin_client.post(url("instance_collect", instance.pk), follow=True)
        assert "There is no task" in str(next(iter(missing.context["messages"])))
        make_task(SIZES_TASK, function="collect_database_sizes")
        shown = admin_client.post(url("instance_collect", instance.pk), follow=True)
        execution = Execution.objects.get()
        assert execution.parameters == {"instances": ["one"]}
        assert f"#{execution.pk}" in str(next(iter(shown.context["messages"])))

    def test_accounts_are_read_by_a_run_too(
        self, admin_client: Client, make_instance: Any, make_task: Any
    ) -> None:
        make_task(ACCOUNTS_TASK, function="sync_accounts")
        admin_client.post(url("instance_accounts", make_instance().pk))
        assert Execution.objects.get().parameters == {"instances": ["one"]}

    @pytest.mark.parametrize("verb", ["collect", "accounts"])
    def test_what_is_sent_twice_is_collected_once(
        self, verb: str, admin_client: Client, make_instance: Any, make_task: Any
    ) -> None:
        make_task(SIZES_TASK, function="collect_database_sizes")
        make_task(ACCOUNTS_TASK, function="sync_accounts")
        instance = make_instance()
        address = url(f"instance_{verb}", instance.pk)
        page = admin_client.get(url("instance_change", instance.pk)).content.decode()
        form = re.search(rf'action="{address}".*?</form>', page, re.DOTALL)
        key = re.search(r'name="idempotency_key" value="(\w+)"', form[0] if form else "")
        for _twice in range(2):
            admin_client.post(address, {"idempotency_key": key[1] if key else ""})
        assert Execution.objects.count() == 1

    def test_collecting_several_by_the_list(
        self, admin_client: Client, make_instance: Any, make_task: Any
    ) -> None:
        make_task(SIZES_TASK, function="collect_database_sizes")
        ids = [make_instance("a").pk, make_instance("b").pk]
        admin_client.post(url("instance_changelist"), {"action": "collect_sizes", "_selected_action": ids})
        assert Execution.objects.get().parameters == {"instances": ["a", "b"]}

    def test_one_that_is_not_active_is_not_collected(
        self, admin_client: Client, make_instance: Any, make_task: Any
    ) -> None:
        make_task(SIZES_TASK, function="collect_database_sizes")
        admin_client.post(url("instance_collect", make_instance(active=False).pk))
        assert not Execution.objects.exists()

    def test_restore(self, admin_client: Client, make_instance: Any) -> None:
        instance = make_instance()
        instances.delete(instance, actor=TRUSTED)
        assert "/restore/" in admin_client.get(url("instance_change", instance.pk)).content.decode()
        assert admin_client.post(url("instance_test", instance.pk)).status_code == 302
        admin_client.post(url("instance_restore", instance.pk))
        instance.refresh_from_db()
        assert (instance.deleted_at, instance.status) == (None, "unknown")

    def test_an_action_without_the_permission_is_forbidden(self, viewer: Client, make_instance: Any) -> None:
        data = {"action": "restore_selected", "_selected_action": [make_instance().pk]}
        assert viewer.post(url("instance_changelist"), data).status_code == 403


class TestCredentialPage:
    def test_it_names_its_instances_and_never_the_password(
        self, admin_client: Client, make_instance: Any
    ) -> None:
        credential = make_instance("orders").credential
        for address in (url("credential_changelist"), url("credential_change", credential.pk)):
            page = admin_client.get(address).content.decode()
            assert PASSWORD not in page
            assert credential.password_token not in page
        assert "orders" in page
        assert "1 instance" in admin_client.get(url("credential_changelist")).content.decode()

    def test_a_race_for_a_name_is_told_in_the_form(
        self, admin_client: Client, make_credential: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another request stores the same name after this one has looked for it."""
        from instances.models import Credential

        seen = Credential.validate_unique

        def overtaken(self: Credential, *args: Any, **kwargs: Any) -> None:
            seen(self, *args, **kwargs)
            if not Credential.objects.filter(name="ops").exists():
                monkeypatch.setattr(Credential, "validate_unique", seen)
                make_credential("ops")

        monkeypatch.setattr(Credential, "validate_unique", overtaken)
        form = {
            "name": "ops",
            "username": "x",
            "allowed_hosts": "[]",
            "description": "",
            "new_password": "",
            "password": "",
        }
        shown = admin_client.post(url("credential_add"), form)
        assert shown.status_code == 200
        assert "name" in shown.context["adminform"].form.errors


class TestSession:
    @pytest.fixture
    def session(self, make_instance: Any) -> SyncSession:
        chosen = [make_instance("a"), make_instance("b")]
        return sessions.create("size", "manual_batch", chosen, actor=SYSTEM)

    def test_it_is_followed_until_it_ends(self, admin_client: Client, session: SyncSession) -> None:
        first = admin_client.get(url("syncsession_change", session.pk))
        assert "0 of 2 instances" in first.content.decode()
        live, cursor = url("syncsession_live", session.pk), first.context["cursor"]
        assert admin_client.get(live, {"cursor": cursor}).status_code == 204
        a, b = SyncRecord.objects.filter(session=session).order_by("instance__name")
        sessions.start(a)
        sessions.fail(a, "no <route>", "unreachable")
        moved = admin_client.get(live, {"cursor": cursor})
        assert "1 of 2 instances" in moved.content.decode()
        assert "no &lt;route&gt;" in moved.content.decode()
        assert "X-Ended" not in moved
        sessions.start(b)
        sessions.complete(b, RowCounts(created=3, dropped=41), {"notes": ["hidden: GRANT <all>"]})
        sessions.finish(session)
        ended = admin_client.get(live, {"cursor": moved["X-Cursor"]})
        assert ended["X-Ended"] == "1"
        assert "partly failed" in ended.content.decode()
        assert "hidden: GRANT &lt;all&gt;" in ended.content.decode()
        assert 'data-label="Dropped">41</td>' in ended.content.decode()

    def test_who_may_not_look_is_refused(self, client: Client, session: SyncSession) -> None:
        client.force_login(User.objects.create_user("eve", is_staff=True))
        assert client.get(url("syncsession_live", session.pk)).status_code == 403
        client.logout()
        assert client.get(url("syncsession_live", session.pk)).status_code == 302


class TestPaging:
    def test_every_row_comes_once_in_both_directions(self, admin_client: Client, make_instance: Any) -> None:
        from datetime import date

        chosen = [make_instance("a"), make_instance("b")]
        DatabaseSize.objects.bulk_create(
            DatabaseSize(
                instance=instance, database=f"d{number}", date=date(2026, 6, 1) + timedelta(days=number % 3),
                total_bytes=1, collected_at=instance.created_at,
            )
            for instance in chosen
            for number in range(60)
        )  # fmt: skip
        address, seen, pages = url("databasesize_changelist"), [], []
        following = address
        while following:
            change_list = admin_client.get(following).context["cl"]
            pages.append([row.pk for row in change_list.result_list])
            seen += pages[-1]
            following = address + change_list.older_url if change_list.older_url else ""
        wanted = DatabaseSize.objects.order_by("-date", "-instance_id", "-pk").values_list("pk", flat=True)
        assert seen == list(wanted)
        assert [len(page) for page in pages] == [50, 50, 20]
        back = admin_client.get(address + change_list.newer_url).context["cl"]
        assert [row.pk for row in back.result_list] == pages[1]
        assert not admin_client.get(address + back.newer_url).context["cl"].newer_url

    @pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwiYiIsImMiXQ", "%00", "W1tdLFtdLFtdXQ"])
    def test_a_bad_cursor_is_the_first_page(self, cursor: str, admin_client: Client) -> None:
        assert admin_client.get(url("databasesize_changelist") + f"?after={cursor}").status_code == 200
