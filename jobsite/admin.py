"""Users and roles, in the same look as everything else."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from jobsite.admin_base import BaseAdmin

for model in (User, Group):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, BaseAdmin[User]):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    show_full_result_count = False


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, BaseAdmin[Group]):
    """Django's groups; ours are groups of tasks, so people see these as roles."""
