from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from instances.models import Credential, DatabaseSize, Instance, SyncSession
from instances.services import collection
from tests.instances.servers import PASSWORD

pytestmark = pytest.mark.django_db


def url(model: str, page: str, *args: Any) -> str:
    return reverse(f"admin:instances_{model}_{page}", args=args)


def credential_form(credential: Credential | None = None, **values: Any) -> dict[str, Any]:
    form = {"name": "ops", "username": "root", "allowed_hosts": "[]", "description": "", "active": "on"}
    if credential:
        form |= {"name": credential.name, "username": credential.username}
    return form | {"new_password": "", "password": ""} | values


def instance_form(instance: Instance | None = None, **values: Any) -> dict[str, Any]:
    form = {
        "name": "one", "dialect": "postgresql", "host": "db.example.com", "port": "", "database": "",
        "credential": Credential.objects.get().pk, "options": "{}", "description": "", "active": "on",
        "credential_password": "",
    }  # fmt: skip
    return form | values


@pytest.fixture
def limited(client: Client) -> Client:
    """May do everything with instances and credentials but change connections."""
    user = User.objects.create_user("bob", is_staff=True)
    wanted = Permission.objects.filter(content_type__app_label="instances").exclude(
        codename="change_connection"
    )
    user.user_permissions.set(wanted)
    client.force_login(user)
    return client


def errors(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.context["adminform"].form.errors)


class TestCredential:
    def test_add(self, admin_client: Client) -> None:
        form = credential_form(new_password=f" {PASSWORD} ")
        assert admin_client.post(url("credential", "add"), form).status_code == 302
        assert Credential.objects.get().reveal_password() == f" {PASSWORD} "

    def test_an_empty_field_keeps_the_password(self, admin_client: Client, make_credential: Any) -> None:
        credential = make_credential()
        page = url("credential", "change", credential.pk)
        assert admin_client.post(page, credential_form(credential, username="x")).status_code == 302
        credential.refresh_from_db()
        assert (credential.username, credential.reveal_password()) == ("x", PASSWORD)
        admin_client.post(page, credential_form(credential, new_password="new one"))
        credential.refresh_from_db()
        assert credential.reveal_password() == "new one"

    def test_a_further_host_needs_the_password(self, admin_client: Client, make_credential: Any) -> None:
        credential = make_credential()
        page = url("credential", "change", credential.pk)
        form = credential_form(credential, allowed_hosts='["evil.example.com"]')
        assert "present password" in errors(admin_client.post(page, form))
        assert admin_client.post(page, form | {"password": PASSWORD}).status_code == 302

    def test_bad_input_names_the_field(self, admin_client: Client) -> None:
        form = credential_form(allowed_hosts='["a,b"]', new_password="x\ty")
        response = admin_client.post(url("credential", "add"), form)
        found = response.context["adminform"].form.errors
        assert set(found) == {"allowed_hosts", "new_password"}
        assert not Credential.objects.exists()

    def test_one_in_use_stays(self, admin_client: Client, make_instance: Any) -> None:
        credential = make_instance().credential
        admin_client.post(url("credential", "delete", credential.pk), {"post": "yes"})
        data = {"action": "delete_selected", "_selected_action": [credential.pk], "post": "yes"}
        admin_client.post(url("credential", "changelist"), data)
        assert Credential.objects.exists()

    def test_one_that_nobody_uses_goes(self, admin_client: Client, make_credential: Any) -> None:
        credential = make_credential()
        admin_client.post(url("credential", "delete", credential.pk), {"post": "yes"})
        assert not Credential.objects.exists()


class TestInstance:
    def test_add_needs_the_password_of_the_credential(
        self, admin_client: Client, make_credential: Any
    ) -> None:
        make_credential()
        page = url("instance", "add")
        assert "credential_password" in errors(admin_client.post(page, instance_form()))
        assert not Instance.objects.exists()
        form = instance_form(credential_password=PASSWORD)
        assert admin_client.post(page, form).status_code == 302
        assert Instance.objects.get().host == "db.example.com"

    def test_change_of_the_connection(self, admin_client: Client, make_instance: Any) -> None:
        page = url("instance", "change", make_instance().pk)
        assert admin_client.post(page, instance_form(description="free")).status_code == 302
        form = instance_form(host="evil.example.com", description="not free")
        assert "credential_password" in errors(admin_client.post(page, form))
        assert Instance.objects.get().description == "free"
        assert admin_client.post(page, form | {"credential_password": PASSWORD}).status_code == 302
        assert Instance.objects.get().host == "evil.example.com"

    def test_change_without_the_permission(self, limited: Client, make_instance: Any) -> None:
        page = url("instance", "change", make_instance().pk)
        assert limited.post(page, instance_form(description="free")).status_code == 302
        form = instance_form(host="evil.example.com", credential_password=PASSWORD)
        assert "change_connection" in errors(limited.post(page, form))
        assert Instance.objects.get().host == "db.example.com"

    def test_bad_input_names_the_field(self, admin_client: Client, make_credential: Any) -> None:
        make_credential()
        form = instance_form(host="/tmp", options='{"tsl": "x"}', port="99999")
        response = admin_client.post(url("instance", "add"), form)
        assert set(response.context["adminform"].form.errors) == {"host", "options", "port"}

    def test_delete_moves_to_the_recycle_bin_and_restore_back(
        self, admin_client: Client, make_instance: Any, postgres: Any
    ) -> None:
        first, second = make_instance("a"), make_instance("b")
        collection.collect(collection.SIZES, [], origin="schedule")
        admin_client.post(url("instance", "delete", first.pk), {"post": "yes"})
        data = {"action": "delete_selected", "_selected_action": [second.pk], "post": "yes"}
        admin_client.post(url("instance", "changelist"), data)
        assert Instance.objects.exclude(deleted_at=None).count() == 2
        shown = admin_client.get(url("instance", "changelist"))
        assert shown.context["cl"].result_count == 0
        bin_page = url("instance", "changelist") + "?bin=deleted"
        assert admin_client.get(bin_page).context["cl"].result_count == 2
        # What lies in the bin is only looked at.
        page = admin_client.get(url("instance", "change", first.pk))
        assert page.status_code == 200
        assert page.context["has_change_permission"] is False
        data = {"action": "restore_selected", "_selected_action": [first.pk, second.pk]}
        admin_client.post(bin_page, data)
        assert Instance.objects.present().count() == 2

    def test_one_with_history_can_be_deleted(self, admin_client: Client, make_instance: Any) -> None:
        instance = make_instance(host="127.0.0.1", port=1)
        collection.collect(collection.SIZES, [instance], origin="schedule")
        admin_client.post(url("instance", "delete", instance.pk), {"post": "yes"})
        instance.refresh_from_db()
        assert instance.deleted_at is not None

    def test_the_test_of_a_connection_is_a_post(
        self, admin_client: Client, of_server: Any, make_instance: Any, postgres: Any
    ) -> None:
        good, bad = of_server(postgres, "good"), make_instance("bad", host="127.0.0.1", port=1)
        page = url("instance", "changelist")
        data = {"action": "test_connections", "_selected_action": [good.pk, bad.pk]}
        admin_client.get(page, data)
        assert set(Instance.objects.values_list("status", flat=True)) == {"unknown"}
        response = admin_client.post(page, data, follow=True)
        said = sorted(str(message) for message in response.context["messages"])
        assert said[0].startswith("bad: ")
        assert said[1].startswith("good: PostgreSQL ")
        assert set(Instance.objects.values_list("name", "status")) == {("good", "ok"), ("bad", "failed")}


class TestHistory:
    @pytest.fixture
    def _history(self, of_server: Any, postgres: Any) -> None:
        collection.collect(collection.SIZES, [of_server(postgres, "pg")], origin="schedule")

    @pytest.mark.usefixtures("_history")
    @pytest.mark.parametrize("model", ["databasesize", "instancesize", "syncsession"])
    def test_it_can_be_read_and_not_written(self, model: str, admin_client: Client) -> None:
        page = admin_client.get(url(model, "changelist"))
        assert page.status_code == 200
        assert page.context["cl"].result_count > 0
        assert admin_client.get(url(model, "add")).status_code == 403
        row = page.context["cl"].result_list[0]
        assert admin_client.get(url(model, "change", row.pk)).status_code == 200
        assert admin_client.post(url(model, "change", row.pk), {}).status_code == 403
        assert admin_client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert DatabaseSize.objects.exists()
        assert SyncSession.objects.exists()


def test_pages_ask_a_bounded_number_of_questions(
    admin_client: Client, make_instance: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        make_instance(f"i{number}")
    for model in ("instance", "credential", "databasesize", "instancesize", "syncsession"):
        with django_assert_max_num_queries(12):
            assert admin_client.get(url(model, "changelist")).status_code == 200
