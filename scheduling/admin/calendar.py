"""Calendars: marked days and windows that tasks share."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from jobsite.admin_base import ServiceAdmin, ServiceForm, actor_of
from scheduling.models import Calendar
from scheduling.services import calendars

#: Moved tasks that are named one by one.
NAMED = 10


class CalendarForm(ServiceForm[Calendar]):
    class Meta:
        model = Calendar
        fields = calendars.EDITABLE

    def clean(self) -> Any:
        # An emptied box means none.
        for name in ("weekend", "dates", "windows"):
            if self.cleaned_data.get(name) is None and name not in self.errors:
                self.cleaned_data[name] = []
        return super().clean()


@admin.register(Calendar)
class CalendarAdmin(ServiceAdmin[Calendar]):
    form = CalendarForm
    list_display = ("key", "name", "country", "time_zone")
    search_fields = ("key", "name")

    def save_model(self, request: HttpRequest, obj: Calendar, form: Any, change: bool) -> None:
        moved = calendars.save(obj, actor=actor_of(request))
        if not moved:
            return
        text = ngettext(
            "%(count)d task has another next time now: %(tasks)s",
            "%(count)d tasks have another next time now: %(tasks)s",
            len(moved),
        )
        shown = [f"{move.task_key} ({_time(move.before)} → {_time(move.after)})" for move in moved[:NAMED]]
        tasks = "; ".join(shown) + (" …" if len(moved) > NAMED else "")
        self.message_user(request, text % {"count": len(moved), "tasks": tasks}, messages.INFO)

    def delete_model(self, request: HttpRequest, obj: Calendar) -> None:
        calendars.delete(obj, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Calendar]) -> None:
        self.each(request, queryset, lambda calendar: calendars.delete(calendar, actor=actor_of(request)))


def _time(at: Any) -> str:
    return at.isoformat(sep=" ", timespec="seconds") if at else gettext("none")
