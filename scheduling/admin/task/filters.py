"""By what the list of tasks is narrowed. Each goes along an index, and none offers more than a screenful."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import CharField, F, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from scheduling import clock
from scheduling.models import Group, Task
from scheduling.services import health

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
    """Value and words for each filter below, read for all of them by one query along their indexes.

    Those of deleted tasks among them: to leave them out, every row would have to be read.
    """
    found: dict[str, list[tuple[str, str]]] | None = getattr(request, "offered_values", None)
    if found is None:
        found = {}
        parts = (
            _part("1queue", Task.objects.all(), F("queue"), "queue"),
            _part("2group", Group.objects.all(), Cast("pk", CharField()), "name"),
            _part("3category", Task.objects.all(), F("category"), "category"),
        )
        rows = parts[0].union(*parts[1:]).order_by("kind", "value")[: len(parts) * MOST_OFFERED]
        for kind, value, words in rows:
            if value:
                found.setdefault(kind[1:], []).append((value, words))
        request.offered_values = found  # type: ignore[attr-defined]
    return found


def _part(kind: str, rows: Any, value: Any, words: str) -> Any:
    named = rows.order_by().annotate(kind=Value(kind), value=value, words=F(words))
    return named.values_list("kind", "value", "words").distinct()


class ValueFilter(admin.SimpleListFilter):
    """One of the values that tasks have."""

    column = ""

    def lookups(self, request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        return offered(request).get(str(self.parameter_name), [])[:MOST_OFFERED]

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
