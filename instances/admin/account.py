"""Accounts with their rights, and what changed about them; for reading."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from instances.admin.filters import OF_INSTANCE, ChangedSince, since
from instances.admin.marks import only_yes
from instances.admin.visible import OfVisible
from instances.admin.who_can import who_can_view
from instances.models import AccountChange, InstanceAccount
from instances.services import facts, histories, sheets
from jobsite.admin_base import HistoryAdmin

#: Lines of rights, changes, and lines of one change that a page shows.
MOST_RIGHTS = 500
MOST_CHANGES = 20
MOST_LINES = 12
MOST_CHANGE_LINES = 1_000


#: What is so of a few accounts. A red cross at all others would look like a fault.
MARKS = tuple(map(InstanceAccount._meta.get_field, ("superuser", "locked", "grant_admin")))


class InstancesMedia:
    css = {"all": ("css/instances.css",)}


@admin.register(InstanceAccount)
class InstanceAccountAdmin(OfVisible, HistoryAdmin[InstanceAccount]):
    teaches = _(
        "Accounts appear here when they have been read from an instance: by “Read accounts now” "
        "on its page, or by the task “Synchronise accounts”."
    )
    sheet = sheets.ACCOUNTS
    list_display = (
        "name", "instance", "kind", *map(only_yes, MARKS), "active", "last_seen_at",
    )  # fmt: skip
    list_filter = ("active", ChangedSince, "kind", "superuser", "locked", "grant_admin", *OF_INSTANCE)
    search_fields = ("name",)
    ordering = ("name", "instance")  # along an index
    fields: ClassVar[Any] = (
        "instance", "name", "kind", *map(only_yes, MARKS), "expires_at", "active", "first_seen_at", "last_seen_at",
        "dropped_at",
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "instances/account.html"
    Media = InstancesMedia

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(who_can_view)
        return [path("who-can/", page, name="instances_who_can"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        """A list shows no rights, which may be long."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        return (
            rows
            if match and match.url_name == "instances_instanceaccount_change"
            else rows.defer("privileges", "attributes")
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        known = self.page(account) if account is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **known})

    def page(self, account: InstanceAccount) -> dict[str, Any]:
        lines = list(islice(_rights(account), MOST_RIGHTS + 1))
        rows = AccountChange.objects.filter(account=account).order_by("-id")[:MOST_CHANGES]
        changes = []
        for row in rows:
            said = list(islice(histories.lines(row), MOST_LINES + 1))
            changes.append({"row": row, "lines": said[:MOST_LINES], "more": len(said) > MOST_LINES})
        return {
            "account": account,
            "facts": [facts.sentence(fact) for fact in account.facts],
            "rights": [
                (word_of(category), list(found))
                for category, found in groupby(lines[:MOST_RIGHTS], key=lambda line: line["category"])
            ],
            "shown": len(lines[:MOST_RIGHTS]),
            "left_out": len(lines) > MOST_RIGHTS,
            "changes": changes,
        }


#: What the rights of a category are on; one that is not here is shown as it is.
CATEGORIES = {
    "server": _("Server"),
    "global": _("Whole server"),
    "role": _("Roles"),
    "default_role": _("Default roles"),
    "owner": _("Owns"),
    "database": _("Databases"),
    "schema": _("Schemas"),
    "table": _("Tables"),
    "column": _("Columns"),
    "sequence": _("Sequences"),
    "routine": _("Routines"),
    "function": _("Functions"),
    "type": _("Types"),
    "language": _("Languages"),
    "tablespace": _("Tablespaces"),
    "default": _("For what is made later"),
    "proxy": _("Proxies"),
    "restriction": _("Taken away again"),
}


def word_of(category: str) -> str:
    return str(CATEGORIES.get(category, category))


def _rights(account: InstanceAccount) -> Iterator[dict[str, Any]]:
    """One line for each object."""
    for category, entries in (account.privileges or {}).items():
        for entry in entries:
            yield {
                "category": category,
                "place": histories.place(entry),
                "rights": histories.rights(entry, category),
                "default": set(entry["rights"]) == set(entry.get("default", ())),
            }


@admin.register(AccountChange)
class AccountChangeAdmin(OfVisible, HistoryAdmin[AccountChange]):
    teaches = _(
        "What was added, changed or taken away between two readings of an instance's accounts appears here."
    )
    sheet = sheets.ACCOUNT_CHANGES
    list_display = ("at", "instance", "name", "kind", "sentence")
    list_filter = ("kind", since("at"), *OF_INSTANCE)
    ordering = ("-id",)
    fields = ("at", "instance", "name", "kind", "session")
    readonly_fields = fields
    change_form_outer_before_template = "instances/account_change.html"
    Media = InstancesMedia

    @admin.display(description=_("what changed"))
    def sentence(self, change: AccountChange) -> str:
        return histories.summary(change) or "–"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        change = self.get_object(request, object_id)
        known: dict[str, Any] = {}
        if change is not None:
            lines = list(islice(histories.lines(change), MOST_CHANGE_LINES + 1))
            known = {
                "account_change": change,
                "lines": lines[:MOST_CHANGE_LINES],
                "left_out": len(lines) > MOST_CHANGE_LINES,
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **known})
