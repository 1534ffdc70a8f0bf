"""By what the lists of what instances have can be narrowed: by their instances, and by when something happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from instances.models import AccountChange
from scheduling import clock

#: Filters of rows that belong to an instance.
OF_INSTANCE = ("instance__dialect", "instance__environment", "instance__tags")
SPANS = {
    "24h": (timedelta(hours=24), _("last 24 hours")),
    "7d": (timedelta(days=7), _("last 7 days")),
    "30d": (timedelta(days=30), _("last 30 days")),
}


class _Since(admin.SimpleListFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [(name, words) for name, (_span, words) in SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found = SPANS.get(self.value() or "")
        return queryset if found is None else self.since(queryset, clock.now() - found[0])

    def since(self, rows: QuerySet[Any], moment: Any) -> QuerySet[Any]:
        raise NotImplementedError


class ChangedSince(_Since):
    """Accounts with a line in their history since then."""

    title = _("changed")
    parameter_name = "changed"

    def since(self, rows: QuerySet[Any], moment: Any) -> QuerySet[Any]:
        return rows.filter(Exists(AccountChange.objects.filter(account=OuterRef("pk"), at__gte=moment)))


class _At(_Since):
    column: ClassVar[str]

    def since(self, rows: QuerySet[Any], moment: Any) -> QuerySet[Any]:
        return rows.filter(**{f"{self.column}__gte": moment})


class HappenedSince(_At):
    title = _("when")
    parameter_name = "since"
    column = "at"


class StartedSince(_At):
    title = _("started")
    parameter_name = "since"
    column = "started_at"
