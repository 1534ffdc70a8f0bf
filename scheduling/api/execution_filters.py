"""By what the history can be narrowed; ``services.history`` finds an index for each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_filters
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from jobsite.rest.fields import Moment
from scheduling.models import Execution, Origin, State, Task
from scheduling.services import history


class ExecutionFilters(django_filters.FilterSet):
    task = django_filters.CharFilter(help_text=_("The task's key, also of a deleted one."))
    state = django_filters.MultipleChoiceFilter(choices=State.choices)
    origin = django_filters.ChoiceFilter(choices=Origin.choices)
    node = django_filters.UUIDFilter()
    since = django_filters.CharFilter(help_text=_("Admitted then or later: a time with its offset."))
    until = django_filters.CharFilter(help_text=_("Admitted before then."))

    class Meta:
        model = Execution
        fields = ("task", "state", "origin", "node", "since", "until")


def wanted(values: dict[str, Any]) -> history.Wanted:
    """What the checked query parameters ask for. Raises ValidationError."""
    return history.Wanted(
        task_ids=_ids_of(values["task"]) if values["task"] else None,
        states=tuple(values["state"]),
        origin=values["origin"] or "",
        node_id=values["node"],
        since=_time("since", values["since"]),
        until=_time("until", values["until"]),
    )


def _ids_of(key: str) -> tuple[int, ...]:
    """The task of this key, and deleted ones that had it: a deletion gives the key a suffix. The newest first."""
    named = Task.objects.filter(Q(key=key) | Q(key__startswith=f"{key}~")).order_by("-pk")
    return tuple(named.values_list("pk", flat=True)[: history.MOST_TASKS])


def _time(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment: datetime = Moment().run_validation(text)
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from error
    return moment
