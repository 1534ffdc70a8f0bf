"""By what the list of tasks can be narrowed."""

from __future__ import annotations

from typing import Any

import django_filters
from django.utils.translation import gettext_lazy as _

from scheduling.models import Task


class TaskFilters(django_filters.FilterSet):
    group = django_filters.CharFilter(field_name="group__key")
    pool = django_filters.CharFilter(field_name="pool__key")
    owner = django_filters.CharFilter(field_name="owner__username")
    trigger = django_filters.CharFilter()
    search = django_filters.CharFilter(
        method="find", help_text=_("Words; each must be in the key, the name or the function.")
    )

    class Meta:
        model = Task
        fields = (
            "category", "enabled", "function", "group", "owner", "paused", "pool", "queue", "search", "trigger",
        )  # fmt: skip

    def find(self, rows: Any, _name: str, text: str) -> Any:
        return rows.matching(text)
