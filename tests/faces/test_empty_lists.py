"""A list without rows says what its rows are and how there come to be some; one that was narrowed says so."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from jobsite.admin_base import BaseAdmin
from scheduling.models import Execution

pytestmark = pytest.mark.django_db
#: There is always one: who is looking.
NEVER_EMPTY = (get_user_model(),)
#: Its page has words of its own (test_execution_list).
BY_ITSELF = (Execution,)
LISTS = {
    model._meta.label: page
    for model, page in admin.site._registry.items()
    if model not in NEVER_EMPTY + BY_ITSELF
}


def text_of(client: Client, page: Any, narrowed: str = "") -> str:
    address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    answer = client.get(address + narrowed)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


@pytest.mark.parametrize("label", LISTS)
def test_an_empty_list_teaches(label: str, admin_client: Client) -> None:
    page: Any = LISTS[label]
    assert isinstance(page, BaseAdmin)
    assert len(str(page.teaches)) > 40
    assert f"<p>{page.teaches}</p>" in text_of(admin_client, page)


def test_the_first_is_added_from_there_by_who_may(admin_client: Client, client: Client) -> None:
    page = LISTS["scheduling.Pool"]
    link = 'class="button main" href="/admin/scheduling/pool/add/"'
    assert link in text_of(admin_client, page)
    assert link not in text_of(admin_client, LISTS["scheduling.Node"])
    looker = get_user_model().objects.create_user("eve", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename="view_pool"))
    client.force_login(looker)
    text = text_of(client, page)
    assert f"<p>{page.teaches}</p>" in text
    assert link not in text


def test_a_list_that_was_narrowed_does_not_teach_but_leads_back(admin_client: Client) -> None:
    for label, narrowed in (
        ("scheduling.Task", "?q=x"),
        ("scheduling.Task", "?state=paused"),
        ("scheduling.Notice", "?state__exact=sent"),
        ("instances.InstanceSize", "?instance__id__exact=1"),
    ):
        page = LISTS[label]
        text = text_of(admin_client, page, narrowed)
        assert "Nothing fits" in text
        assert '<a class="button" href="?">Show all</a>' in text
        assert str(page.teaches) not in text
