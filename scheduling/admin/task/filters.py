"""By what the list of tasks is narrowed. Each goes along an index, and none offers more than a screenful."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from scheduling import clock
from scheduling.models import Group, Task
from scheduling.services import health
from scheduling.sql import distinct

#: Values that a filter offers, at most; the others are found by searching.
MOST_OFFERED = 40


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


def offered(request: HttpRequest) -> dict[str, list[tuple[str, str]]]:
    """Value and words for each filter below, by two short questions for all of them.

    Those of deleted tasks among them: to leave them out, every row would have to be read.
    """
    found: dict[str, list[tuple[str, str]]] | None = getattr(request, "offered_values", None)
    if found is None:
        values = distinct.values(Task, ["queue", "category"], MOST_OFFERED)
        found = {field: [(value, value) for value in of_field] for field, of_field in values.items()}
        groups = Group.objects.order_by("name").values_list("pk", "name")[:MOST_OFFERED]
        found["group"] = [(str(pk), name) for pk, name in groups]
        request.offered_values = found  # type: ignore[attr-defined]
    return found


class ValueFilter(admin.SimpleListFilter):
    """One of the values that tasks have."""

    column = ""

    def lookups(self, request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return offered(request)[str(self.parameter_name)]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class CategoryFilter(ValueFilter):
    title = _("category")
    parameter_name = column = "category"


class QueueFilter(ValueFilter):
    title = _("queue")
    parameter_name = column = "queue"


class GroupFilter(ValueFilter):
    title = pgettext_lazy("of tasks", "group")
    parameter_name = "group"
    column = "group_id"

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        number = self.value() or ""
        return queryset.filter(group_id=int(number)) if number.isdecimal() else queryset
