"""Users and roles, in the same look as everything else."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from jobsite.admin_base import BaseAdmin
from jobsite.admin_tokens import TokenAdmin
from jobsite.permission_words import worded

__all__ = ["RoleAdmin", "TokenAdmin", "UserAdmin"]

for model in (User, Group):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, BaseAdmin[User]):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    readonly_fields = ("last_login", "date_joined")
    show_full_result_count = False

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **worded(db_field, kwargs))

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or "–"


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, BaseAdmin[Group]):
    """Django's groups; ours are groups of tasks, so people see these as roles."""

    teaches = _(
        "A role is a set of permissions that people are given together. manage.py create_roles makes four."
    )
    list_display = ("name", "members", "rights")
    show_full_result_count = False

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **worded(db_field, kwargs))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        counts = {
            "member_count": Count("user", distinct=True),
            "right_count": Count("permissions", distinct=True),
        }
        return super().get_queryset(request).annotate(**counts)

    @admin.display(description=_("users"), ordering="member_count")
    def members(self, group: Any) -> int:
        return int(group.member_count)

    @admin.display(description=_("permissions"), ordering="right_count")
    def rights(self, group: Any) -> int:
        return int(group.right_count)
