"""By what the history can be narrowed; each filter has an index, or a bound, behind it."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from scheduling.models import Execution, Origin, State, Task


class ExecutionFilters(django_filters.FilterSet):
    task = django_filters.CharFilter(method="of_task", help_text=_("The task's key, also of a deleted one."))
    state = django_filters.MultipleChoiceFilter(choices=State.choices)
    origin = django_filters.MultipleChoiceFilter(choices=Origin.choices)
    node = django_filters.UUIDFilter(field_name="node_id")

    class Meta:
        model = Execution
        fields = ("task", "state", "origin", "node")

    def of_task(self, rows: Any, _name: str, key: str) -> Any:
        """Along the index by task; a deletion has given the key a suffix."""
        named = Task.objects.filter(Q(key=key) | Q(key__startswith=f"{key}~")).values_list("pk", flat=True)
        return rows.filter(task_id__in=list(named[:1_000]))
