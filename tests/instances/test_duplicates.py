"""One server and database, one instance: every door refuses a second one, with the same words."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from instances.models import Instance
from instances.services import exchange, instances
from jobsite.registration import register
from tests.api.conftest import Api, api, errors  # noqa: F401  (a fixture)
from tests.instances.servers import PASSWORD, TRUSTED
from tests.instances.test_admin import errors as form_errors
from tests.instances.test_admin import instance_form, url

pytestmark = pytest.mark.django_db
SAME = "“one” is the same server and database."
HIDDEN = "An instance that is not shown to you is the same server and database."


def refusal(make_instance: Any, **values: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refused:
        make_instance("two", **values)
    return refused.value.message_dict


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"host": "db.example.com"}, {"host": "DB.Example.COM."}),
        ({"host": "db.example.com"}, {"host": "db.example.com", "port": 5432}),
        ({"host": "db.example.com"}, {"host": "db.example.com", "database": "postgres"}),
        ({"host": "::1"}, {"host": "0:0:0:0:0:0:0:1"}),
        ({"host": "FE80::A"}, {"host": "fe80::a"}),
        ({"host": "h", "active": False}, {"host": "h"}),
    ],
)
def test_other_spellings_are_the_same_server(first: Any, second: Any, make_instance: Any) -> None:
    make_instance("one", **first)
    assert refusal(make_instance, **second) == {"host": [SAME]}


@pytest.mark.parametrize(
    "second",
    [
        {"host": "h2"},
        {"host": "h", "port": 5433},
        {"host": "h", "database": "sales"},
        {"host": "h", "database": "Postgres"},
        {"host": "h", "dialect": "mysql", "port": 5432},
    ],
)
def test_what_differs_is_another_one(second: Any, make_instance: Any) -> None:
    make_instance("one", host="h")
    assert make_instance("two", **second).pk


def test_a_file_is_the_same_by_any_link(make_instance: Any, tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "a").touch()
    (files / "link").symlink_to(files / "a")
    make_instance("one", dialect="sqlite", host="", database=str(files / "a"))
    assert refusal(make_instance, dialect="sqlite", host="", database=f"{files}/link") == {"database": [SAME]}
    assert make_instance("other", dialect="sqlite", host="", database=str(files / "b")).pk


def test_an_edit_keeps_its_own_place_and_takes_no_other(make_instance: Any) -> None:
    make_instance("one", host="h1")
    second = make_instance("two", host="h2")
    second.host = "H2"
    instances.edit(second, actor=TRUSTED)
    second.host = "h1"
    with pytest.raises(ValidationError) as refused:
        instances.edit(second, actor=TRUSTED)
    assert refused.value.message_dict == {"host": [SAME]}
    assert Instance.objects.get(name="two").host == "H2"
    second.host = "h3"
    instances.edit(second, actor=TRUSTED)
    assert make_instance("three", host="h2").pk  # it is free again


def test_every_door_says_the_same(
    make_instance: Any,
    admin_client: Client,
    api: Api,  # noqa: F811
) -> None:
    make_instance("one", host="db.example.com")
    body = {"name": "two", "dialect": "postgresql", "host": "DB.example.com", "credential": "ops"}
    assert errors(api.post("instances/", body | {"credential_password": PASSWORD})) == {"host": SAME}
    form = instance_form(name="two", host="db.example.com.", credential_password=PASSWORD)
    assert f'id="id_host_error"><li>{SAME}</li>' in form_errors(
        admin_client.post(url("instance", "add"), form)
    )
    text = "name,dialect,host,credential\ntwo,postgresql,db.example.com,ops\n"
    (fate,) = exchange.load(text, "csv", actor=TRUSTED)
    assert fate.problems == [f"host: {SAME}"]
    other = make_instance("two", host="h2")
    change = {"host": "db.example.com", "credential_password": PASSWORD}
    assert errors(api.patch(f"instances/{other.pk}/", change)) == {"host": SAME}
    form = instance_form(name="two", credential_password=PASSWORD)
    page = url("instance", "change", other.pk)
    assert f'id="id_host_error"><li>{SAME}</li>' in form_errors(admin_client.post(page, form))
    assert set(Instance.objects.values_list("name", "host")) == {("one", "db.example.com"), ("two", "h2")}


class TestRecycleBin:
    @pytest.fixture
    def binned(self, make_instance: Any) -> Instance:
        """Its place was taken since."""
        binned: Instance = make_instance("old", host="h")
        instances.delete(binned, actor=TRUSTED)
        make_instance("one", host="H")
        return binned

    def test_what_lies_there_holds_no_place_and_comes_back_to_none_that_is_taken(
        self, binned: Instance
    ) -> None:
        with pytest.raises(ValidationError) as refused:
            instances.restore(binned, actor=TRUSTED)
        assert refused.value.message_dict == {"host": [SAME]}
        instances.delete(Instance.objects.get(name="one"), actor=TRUSTED)
        instances.restore(binned, actor=TRUSTED)
        instances.restore(binned, actor=TRUSTED)  # it is back already
        assert list(Instance.objects.present()) == [binned]
        with pytest.raises(ValidationError):
            instances.restore(Instance.objects.get(name="one"), actor=TRUSTED)

    def test_every_door_refuses_to_restore_it(
        self,
        binned: Instance,
        admin_client: Client,
        api: Api,  # noqa: F811
    ) -> None:
        assert errors(api.post(f"instances/{binned.pk}/restore/")) == {"host": SAME}
        said = io.StringIO()
        with pytest.raises(CommandError):
            call_command("instance", "restore", "old", stderr=said)
        assert said.getvalue() == f"old: host: {SAME}\n"
        page = url("instance", "restore", binned.pk)
        answer = admin_client.post(page, follow=True)
        assert [str(each) for each in answer.context["messages"]] == [SAME]
        data = {"action": "restore_selected", "_selected_action": [binned.pk]}
        answer = admin_client.post(url("instance", "changelist") + "?bin=deleted", data, follow=True)
        assert [str(each) for each in answer.context["messages"]] == [f"old: {SAME}"]
        assert Instance.objects.exclude(deleted_at=None).get() == binned

    def test_the_installation_does_not_register_it_again(self, binned: Instance) -> None:
        place = {"ENGINE": "django.db.backends.postgresql", "HOST": "H", "NAME": "", "OPTIONS": {}}
        instances.delete(Instance.objects.get(name="one"), actor=TRUSTED)
        assert not register("h", place)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_refused(
    make_instance: Any, make_credential: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has asked whether the place is free before either takes it."""
    credential = make_credential()
    both, ask, waited = threading.Barrier(2, timeout=20), instances.check_place, threading.local()

    def asked(instance: Instance, **options: Any) -> None:
        ask(instance, **options)
        if not getattr(waited, "already", False):
            waited.already = True
            both.wait()

    monkeypatch.setattr(instances, "check_place", asked)
    said: list[Any] = []

    def make(name: str) -> None:
        values = {"dialect": "postgresql", "host": "h", "credential": credential}
        try:
            said.append(instances.create(Instance(name=name, **values), actor=TRUSTED).name)
        except ValidationError as error:
            said.append(error.message_dict)
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (kept,) = Instance.objects.values_list("name", flat=True)
    assert len(said) == 2
    assert kept in said
    assert {"host": [f"“{kept}” is the same server and database."]} in said
