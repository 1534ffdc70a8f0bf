"""The default roles: each has what it says, nobody writes history, and what people changed stays."""

from __future__ import annotations

import io
import itertools
import json

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

from jobsite import roles, startup
from jobsite.admin_base import HistoryAdmin

pytestmark = pytest.mark.django_db


def member(role: str) -> User:
    user = User.objects.create_user(role)
    user.groups.add(Group.objects.get(name=role))
    return user


def test_each_role_contains_the_one_before() -> None:
    assert startup.create_roles() == "created: viewer, operator, editor, dba-admin"
    sets = [set(Group.objects.get(name=name).permissions.all()) for name in roles.ROLES]
    assert all(less < more for less, more in itertools.pairwise(sets))


MAY = {
    "viewer": ["scheduling.view_execution", "instances.view_instance"],
    "operator": ["scheduling.run_task", "scheduling.pause_task", "scheduling.cancel_execution"],
    "editor": ["scheduling.add_task", "scheduling.delete_pool", "scheduling.force_task"],
    "dba-admin": ["instances.change_connection", "instances.view_credential"],
}
MAY_NOT = {
    "viewer": ["scheduling.run_task", "instances.view_credential"],
    "operator": ["scheduling.change_task", "scheduling.enable_task"],
    "editor": ["instances.add_instance", "scheduling.change_execution"],
    "dba-admin": ["auth.change_user", "scheduling.delete_execution", "instances.delete_databasesize"],
}


@pytest.mark.parametrize("role", MAY)
def test_what_a_role_may(role: str) -> None:
    roles.create()
    user = member(role)
    assert [right for right in MAY[role] if not user.has_perm(right)] == []
    assert [right for right in MAY_NOT[role] if user.has_perm(right)] == []


def test_a_changed_role_stays_until_it_is_reset() -> None:
    roles.create()
    group = Group.objects.get(name="viewer")
    group.permissions.set(Permission.objects.filter(codename="view_task"))
    assert startup.create_roles() == "all there"
    assert group.permissions.count() == 1
    out = io.StringIO()
    call_command("create_roles", "--reset", "--json", stdout=out)
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(row["role"], row["done"]) for row in said] == [(name, "reset") for name in roles.ROLES]
    assert roles.codes(group.permissions.select_related("content_type")) == said[0]["default_permissions"]


def test_what_has_a_form_for_people_can_be_given() -> None:
    """A new model that people edit must be in EDITED, or no role but a superuser could."""
    forms = {
        model._meta.model_name
        for model, page in admin.site._registry.items()
        if model._meta.app_label in roles.APPS and not isinstance(page, HistoryAdmin)
    }
    assert forms == roles.EDITED
