"""Calendars: marked days and windows that tasks share."""

from __future__ import annotations

from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, ServiceForm, TextArea, TextInput, actor_of
from scheduling import clock
from scheduling.admin import calendar_year
from scheduling.forms.calendars import (
    LinesField,
    WeekdaysField,
    read_date,
    read_window,
    write_date,
    write_window,
)
from scheduling.forms.widgets import zones
from scheduling.models import Calendar
from scheduling.services import calendars
from scheduling.triggers.calendar_reading import countries

#: Moved tasks that are named one by one.
NAMED = 10


def _label(name: str) -> Any:
    return capfirst(Calendar._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # these have one


class CalendarForm(ServiceForm[Calendar]):
    weekend = WeekdaysField(label=_label("weekend"), help_text=_("Weekdays that are marked."))
    dates = LinesField(
        label=_label("dates"),
        read=read_date,
        write=write_date,
        help_text=_(
            "One a line: 2027-05-04, 2027-05-04..2027-05-07 or 12-24 for every year, then a name. With + before it "
            "a day is worked, whatever else is said: +2027-10-10."
        ),
    )
    windows = LinesField(
        label=_label("windows"),
        read=read_window,
        write=write_window,
        help_text=_(
            "One a line, then a name: 2027-01-31..2027-02-07 once, each with a time of day if need be, or "
            "SAT,SUN 22:00..06:00 every week."
        ),
    )

    class Meta:
        model = Calendar
        fields = calendars.EDITABLE
        widgets: ClassVar[dict[str, Any]] = {
            "description": TextArea(attrs={"rows": 2}),
            "time_zone": TextInput(
                attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}
            ),
            "country": TextInput(attrs={"list": "countries", "autocomplete": "off", "spellcheck": "false"}),
        }


@admin.register(Calendar)
class CalendarAdmin(ServiceAdmin[Calendar]):
    teaches = _(
        "A calendar marks the days that tasks keep away from or keep to: public holidays, dates "
        "of your own, hours of maintenance. Make one, then choose it in the form of a task."
    )
    form = CalendarForm
    list_display = ("key", "name", "country", "time_zone")
    search_fields = ("key", "name")

    change_form_outer_before_template = "scheduling/calendar/suggestions.html"
    change_form_outer_after_template = "scheduling/calendar/year.html"

    class Media:
        css = {"all": ("css/forms.css", "css/calendar.css")}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context |= {"zones": zones(), "countries": sorted(countries())}
        calendar: Any = kwargs.get("obj")
        if calendar is not None:
            zone = ZoneInfo(calendar.time_zone or settings.JOBSITE_TASK_TIME_ZONE)
            context |= calendar_year.section(
                calendar, request.GET.get("year", ""), clock.now().astimezone(zone).date()
            )
        return super().render_change_form(request, context, *args, **kwargs)

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
