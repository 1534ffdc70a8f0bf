"""Instances from a file, on a page: looked at first, then imported, and each refused row is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from instances.models import Instance
from instances.services import exchange
from tests.instances.servers import PASSWORD

pytestmark = pytest.mark.django_db
GOOD = "name,dialect,database\none,sqlite,/srv/one.db\ntwo,sqlite,/srv/two.db\n"


@pytest.fixture
def page(settings: Any) -> str:
    settings.JOBSITE_SQLITE_ROOTS = [Path("/srv")]
    return reverse("admin:instances_instance_import")


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_looking_first_keeps_nothing_and_says_each_fate(admin_client: Client, page: str) -> None:
    text = GOOD + "three,oracle9,\none,sqlite,/srv/other.db\n"
    answer = admin_client.post(page, {"text": text, "format": "csv", "look": "1"})
    assert [str(words) for words, number in answer.context["counts"] if number] == ["refused", "added"]
    names = [(row.name, str(words)) for row, words in answer.context["rows"]]
    assert names == [("three", "refused"), ("one", "refused"), ("one", "added"), ("two", "added")]
    assert "oracle9" in answer.content.decode()
    assert not Instance.objects.exists()
    assert answer.context["form"]["text"].value() == text, "to be imported by one more click"


def test_a_file_is_imported(admin_client: Client, page: str) -> None:
    file = SimpleUploadedFile("fleet.csv", b"\xef\xbb\xbf" + GOOD.encode())
    looked = admin_client.post(page, {"file": file, "format": "csv", "look": "1"})
    text = looked.context["form"]["text"].value()
    answer = admin_client.post(page, {"text": text, "format": "csv", "load": "1"}, follow=True)
    assert said(answer) == ["Imported: 2 added."]
    assert answer.request["PATH_INFO"] == reverse("admin:instances_instance_changelist")
    assert list(Instance.objects.order_by("name").values_list("name", flat=True)) == ["one", "two"]
    again = admin_client.post(page, {"text": text, "format": "csv", "load": "1"})
    assert said(again) == ["Imported: 2 refused."]
    changed = text.replace("/srv/two.db", "/srv/2.db")
    admin_client.post(page, {"text": changed, "format": "csv", "update": "on", "load": "1"})
    assert Instance.objects.get(name="two").database == "/srv/2.db"


def test_what_is_exported_comes_back_unchanged(admin_client: Client, page: str, make_instance: Any) -> None:
    make_instance("=one", options={"tls": "require"})
    for format_ in exchange.FORMATS:
        text = exchange.export(Instance.objects.all(), format_)
        assert PASSWORD not in text
        answer = admin_client.post(page, {"text": text, "format": format_, "update": "on", "look": "1"})
        assert [str(words) for _row, words in answer.context["rows"]] == ["unchanged"], format_


@pytest.mark.parametrize(
    ("sent", "field", "part"),
    [
        ({}, "file", "either a file or its text"),
        ({"text": GOOD, "file": SimpleUploadedFile("x", b"x")}, "file", "either a file or its text"),
        ({"file": SimpleUploadedFile("x", b"\xff\xfe\x00")}, "file", "not UTF-8"),
        ({"file": SimpleUploadedFile("x", b"x" * (exchange.MOST_BYTES + 1))}, "file", "more than"),
        ({"text": "nonsense"}, "text", ""),
        ({"text": GOOD, "format": "xml"}, "format", "xml"),
    ],
)
def test_a_file_that_is_none_is_told_at_its_field(
    sent: dict[str, Any], field: str, part: str, admin_client: Client, page: str
) -> None:
    if "file" in sent:
        sent["file"].seek(0)
    answer = admin_client.post(page, {"format": "csv", "load": "1"} | sent)
    assert answer.status_code == 200
    (text,) = answer.context["form"].errors[field]
    assert part in text
    assert not Instance.objects.exists()


def test_it_needs_the_permissions_of_what_it_does(page: str) -> None:
    needed = ("view_instance", "add_instance", "change_instance")
    for number, missing in enumerate(needed):
        user = get_user_model().objects.create_user(f"user{number}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=set(needed) - {missing}))
        client = Client()
        client.force_login(user)
        assert client.get(page).status_code == 403
        assert client.post(page, {"text": GOOD, "format": "csv", "load": "1"}).status_code == 403
    assert not Instance.objects.exists()
