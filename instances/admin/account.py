"""Accounts, their changes and databases, for reading."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from instances.models import AccountChange, InstanceAccount, InstanceDatabase
from instances.services import histories
from jobsite.admin_base import HistoryAdmin


@admin.register(InstanceAccount)
class InstanceAccountAdmin(HistoryAdmin[InstanceAccount]):
    list_display = (
        "name",
        "instance",
        "kind",
        "superuser",
        "locked",
        "grant_admin",
        "active",
        "last_seen_at",
    )
    list_filter = ("kind", "superuser", "locked", "active")
    list_select_related = ("instance",)
    search_fields = ("name",)
    ordering = ("name", "instance")  # along an index


@admin.register(AccountChange)
class AccountChangeAdmin(HistoryAdmin[AccountChange]):
    list_display = ("at", "instance", "name", "kind", "sentence")
    list_filter = ("kind",)
    list_select_related = ("instance",)
    ordering = ("-id",)

    @admin.display(description=_("what changed"))
    def sentence(self, change: AccountChange) -> str:
        return histories.sentence(change)


@admin.register(InstanceDatabase)
class InstanceDatabaseAdmin(HistoryAdmin[InstanceDatabase]):
    list_display = (
        "name",
        "instance",
        "active",
        "first_seen_at",
        "last_seen_at",
        "dropped_at",
        "returned_at",
    )
    list_filter = ("active",)
    list_select_related = ("instance",)
    search_fields = ("name",)
    ordering = ("name", "instance")
