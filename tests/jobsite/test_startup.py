"""jobsite/startup.py and registration.py: what a first start creates, and what a later one leaves alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from instances.models import Credential, Instance
from instances.services import instances
from jobsite import environment, registration, startup
from scheduling.models import Execution
from scheduling.services.actor import Actor

User = get_user_model()


def test_healthz_needs_no_database(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_the_account_is_created_once_and_its_password_works(client: Client) -> None:
    said, created = startup.create_admin()
    assert created
    password = said.split(" with the password ")[1].split()[0]
    assert len(password) == 20
    answer = client.post("/admin/login/?next=/admin/", {"username": "admin", "password": password})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert startup.create_admin() == ("exists (a new password: manage.py changepassword admin)", False)


@pytest.mark.django_db
def test_no_account_is_created_beside_an_administrator_of_another_name() -> None:
    User.objects.create_superuser(username="dba", password="irrelevant")
    assert startup.create_admin()[1] is False
    assert not User.objects.filter(username="admin").exists()


@pytest.mark.django_db
def test_an_ordinary_user_named_admin_is_left_alone() -> None:
    User.objects.create_user(username="admin", password="irrelevant")
    assert startup.create_admin()[1] is False
    assert not User.objects.get(username="admin").is_superuser


@pytest.mark.django_db
def test_the_default_tasks_of_each_app_are_loaded_once() -> None:
    first = startup.load_default_tasks()
    assert re.fullmatch(
        r"scheduling: [1-9]\d* added, 0 .*; instances: [1-9]\d* added, 0 .*, 0 refused", first
    )
    assert re.fullmatch(
        r"scheduling: 0 added, .*; instances: 0 added, .*, 0 refused", startup.load_default_tasks()
    )


@pytest.mark.django_db
def test_the_first_collection_is_asked_for_once() -> None:
    startup.load_default_tasks()
    startup.first_collection()
    startup.first_collection()
    execution = Execution.objects.get(task_key=startup.COLLECTION)
    assert execution.origin == "manual"


@pytest.fixture
def own_file(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jobsite's own database as an SQLite file in a permitted folder."""
    path = tmp_path / "jobsite.sqlite3"
    path.touch()
    settings.JOBSITE_SQLITE_ROOTS = [tmp_path]
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": {}}
    monkeypatch.setitem(settings.DATABASES, "default", database)
    settings.JOBSITE_INSTANCES = []
    return path


@pytest.fixture
def two_servers(own_file: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = "postgres://reader:s%2Cecret@db1/sales?sslmode=require, mysql://reader:other@db2:3307/sales"
    monkeypatch.setenv("JOBSITE_INSTANCES", urls)
    settings.JOBSITE_INSTANCES = environment.databases("JOBSITE_INSTANCES")


@pytest.mark.django_db
@pytest.mark.usefixtures("two_servers")
def test_its_own_database_and_those_of_the_environment_are_registered(own_file: Path) -> None:
    assert registration.register_instances() == "registered: jobsite, db1/sales, db2:3307/sales"
    found = {instance.name: instance for instance in Instance.objects.all()}
    assert found["jobsite"].database == str(own_file)
    assert found["db1/sales"].options == {"tls": "require"}
    assert (found["db2:3307/sales"].dialect, found["db2:3307/sales"].port) == ("mysql", 3307)
    credential = Credential.objects.get(instances=found["db1/sales"])
    assert (credential.username, credential.reveal_password()) == ("reader", "s,ecret")
    assert credential.allows("db1", 5432)
    assert not credential.allows("db2", 3307)


@pytest.mark.django_db
@pytest.mark.usefixtures("two_servers")
def test_registering_again_changes_nothing() -> None:
    registration.register_instances()
    Instance.objects.filter(name="db1/sales").update(name="Sales", active=False)
    instances.delete(Instance.objects.get(name="db2:3307/sales"), actor=Actor(source="command"))
    before = list(Instance.objects.order_by("pk").values())
    assert registration.register_instances() == "nothing new"
    assert list(Instance.objects.order_by("pk").values()) == before
    assert Credential.objects.count() == 2


@pytest.mark.django_db
def test_a_refused_instance_leaves_no_credential_and_does_not_stop_the_others(
    own_file: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBSITE_INSTANCES", "postgres://db1/sales,mysql://reader:other@db2/sales")
    settings.JOBSITE_INSTANCES = environment.databases("JOBSITE_INSTANCES")
    said = registration.register_instances()
    assert said.startswith("registered: jobsite, db2/sales; not registered: db1/sales: ")
    assert Credential.objects.count() == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("db1:5432/sales", "begins with db1://: use one of"),
        ("oracle://u:p@db1/sales", "begins with oracle://: use one of sqlite://, postgres://"),
        ("postgres://u:p@db1", "needs a host and a database"),
        ("postgres://u:p@db1:99999/sales", "is not a database URL"),
        ("sqlite://relative.sqlite3", "must name a file by its absolute path"),
    ],
)
def test_a_wrong_url_is_named(url: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSITE_INSTANCES", f"postgres://fine@db0/sales,{url}")
    with pytest.raises(ImproperlyConfigured, match=f"JOBSITE_INSTANCES {message}"):
        environment.databases("JOBSITE_INSTANCES")
