"""The password of a credential is nowhere to be read but on the line to its server."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
from typing import Any

import pytest
from django.core import serializers
from django.core.management import call_command
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse

from instances import tasks
from instances.exceptions import CollectionFailed
from instances.models import Credential, Instance, SyncRecord
from instances.services import collection
from jobsite import crypto
from tests.instances.servers import PASSWORD

pytestmark = pytest.mark.django_db

#: No HTML, JSON or repr changes these characters, so that a leak cannot hide behind an escape.
SECRET = "s3same0pen4711"


@pytest.fixture
def credential(make_credential: Any) -> Credential:
    return make_credential(password=SECRET, username="watcher")


def test_values_do_not_show_it(credential: Credential, make_instance: Any) -> None:
    instance = make_instance()
    target = instance.target()
    assert target.password == SECRET
    shown = [repr(credential), str(credential), repr(instance), repr(target), str(target), repr([target])]
    shown += [
        str(model_to_dict(credential)),
        str(vars(credential)),
        pickle.dumps(credential).decode("latin-1"),
    ]
    assert not [text for text in shown if SECRET in text]
    assert "password_token" not in model_to_dict(credential)


def test_exports_do_not_show_it(credential: Credential) -> None:
    out = io.StringIO()
    call_command("dumpdata", "instances", stdout=out)
    assert "watcher" in out.getvalue()
    assert SECRET not in out.getvalue()
    assert SECRET not in serializers.serialize("json", [credential])


@pytest.mark.parametrize("page", ["changelist", "add", "change", "delete", "history"])
@pytest.mark.parametrize("model", ["credential", "instance"])
def test_pages_do_not_show_it(
    model: str, page: str, admin_client: Client, credential: Any, make_instance: Any
) -> None:
    instance = make_instance()
    row = credential if model == "credential" else instance
    args = [row.pk] if page in ("change", "delete", "history") else []
    response = admin_client.get(reverse(f"admin:instances_{model}_{page}", args=args))
    assert response.status_code == 200
    text = response.content.decode()
    assert SECRET not in text
    assert credential.password_token not in text


def test_a_refused_form_does_not_repeat_what_was_typed(admin_client: Client, make_instance: Any) -> None:
    instance = make_instance()
    form = {"name": "", "new_password": SECRET, "password": SECRET, "credential_password": SECRET}
    for address in (
        reverse("admin:instances_credential_change", args=[instance.credential.pk]),
        reverse("admin:instances_instance_change", args=[instance.pk]),
    ):
        response = admin_client.post(address, form)
        assert response.status_code == 200
        assert SECRET not in response.content.decode()


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_failures_do_not_show_it(
    kind: str, credential: Credential, make_instance: Any, postgres: Any, mariadb: Any, caplog: Any
) -> None:
    """Nobody knows "watcher" here, so that the server refuses the user name or the password."""
    server = postgres if kind == "postgresql" else mariadb
    make_instance(dialect=kind, host=server.host, port=server.port)
    with caplog.at_level(logging.DEBUG), pytest.raises(CollectionFailed) as caught:
        tasks.collect_database_sizes()
    record = SyncRecord.objects.get()
    assert record.error
    told = [
        "".join(traceback.format_exception(caught.value)),
        caplog.text,
        *(str(vars(each)) for each in caplog.records),
        record.error,
        str(record.details),
        Instance.objects.get().last_error,
    ]
    assert not [text for text in told if SECRET in text]


def test_a_driver_that_repeats_it_is_censored(make_instance: Any, credential: Credential) -> None:
    target = make_instance().target()
    assert target.scrub(f"connecting with password={SECRET}!") == "connecting with password=•••!"


def test_a_lost_key_shows_no_ciphertext(credential: Credential, settings: Any) -> None:
    settings.JOBSITE_KEY_FILE = settings.JOBSITE_KEY_FILE.with_name("others")
    with pytest.raises(crypto.CannotDecrypt) as caught:
        credential.reveal_password()
    assert credential.password_token not in "".join(traceback.format_exception(caught.value))


def test_collections_keep_no_password(make_instance: Any) -> None:
    make_instance(host="127.0.0.1", port=1)
    session = collection.collect(collection.SIZES, list(Instance.objects.collectable()), origin="schedule")
    assert PASSWORD not in str(list(session.records.values()))
