"""By what the list of tasks is narrowed. Each goes along an index, and none offers more than a screenful."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from scheduling import clock
from scheduling.models import Group, Task
from scheduling.services import health

#: Values that a filter offers, at most; the others are found by searching.
MOST_OFFERED = 40
ENABLED = {"enabled": True, "paused": False}


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("enabled", _("enabled")),
            ("paused", _("paused")),
            ("disabled", _("disabled")),
            ("broken", _("broken")),
        ]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        match self.value():
            case "enabled":
                return queryset.filter(enabled=True, paused=False).exclude(group__paused=True)
            case "paused":
                return queryset.filter(Q(paused=True) | Q(group__paused=True), enabled=True)
            case "disabled":
                return queryset.filter(enabled=False)
            case "broken":
                return queryset.filter(broken(), enabled=True)
        return queryset


def broken() -> Q:
    """Tasks whose schedule cannot be computed, or whose function no live node of their queue has (P6)."""
    found = ~Q(schedule_error="")
    for queue, functions in health.functions_of(health.beating(clock.now())).items():
        found |= Q(queue=queue) & ~Q(function__in=functions)
    return found


class ValueFilter(admin.SimpleListFilter):
    """The values that a column has, found along its index."""

    column = ""

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        rows = Task.objects.present().exclude(**{self.column: ""}).order_by(self.column)
        return [
            (value, value) for value in rows.values_list(self.column, flat=True).distinct()[:MOST_OFFERED]
        ]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class CategoryFilter(ValueFilter):
    title = _("category")
    parameter_name = column = "category"


class QueueFilter(ValueFilter):
    title = _("queue")
    parameter_name = column = "queue"


class GroupFilter(admin.SimpleListFilter):
    title = _("group")
    parameter_name = "group"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return list(Group.objects.order_by("key").values_list("key", "name")[:MOST_OFFERED])

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(group__key=self.value()) if self.value() else queryset
