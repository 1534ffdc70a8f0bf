"""The form of a task: fields for its parameters and its schedule, times in its own zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import SelectInput, ServiceForm, TextArea, TextInput
from scheduling import clock, registry, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.forms.widgets import ParametersWidget, ScheduleWidget
from scheduling.models import Task
from scheduling.services import definitions, tasks

SECTIONS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (None, ("name", "key", "function", "parameters")),
    (
        _("When"),
        (
            "trigger", "trigger_params", "time_zone", "start_at", "end_at", "clock_gap", "clock_overlap",
            "jitter_seconds", "spread_seconds", "calendar", "calendar_policy", "max_runs",
        ),
    ),
    (_("Where"), ("executor", "queue", "pool", "weight", "priority")),
    (_("Limits"), ("timeout_seconds", "memory_limit_mb", "cpu_limit_seconds")),
    (_("When runs were missed"), ("misfire_policy", "misfire_grace_seconds", "catch_up_limit")),
    (_("When runs overlap"), ("max_concurrent", "overlap_policy")),
    (
        _("When a run fails"),
        (
            "retries", "retry_delay_seconds", "retry_backoff", "retry_max_delay_seconds", "retry_jitter",
            "no_retry_on", "rerun_if_lost", "notify_on_failure",
        ),
    ),
    (_("About it"), ("description", "category", "group", "owner", "remark")),
)  # fmt: skip
TIMES = ("start_at", "end_at")


class ScheduleField(forms.JSONField):
    """JSON; a text that is none is taken for a cron expression, so that one can be typed without JavaScript."""

    def to_python(self, value: Any) -> Any:
        if (
            isinstance(value, str)
            and value.strip()
            and value.strip()[0] not in '{["'
            and " " in value.strip()
        ):
            return {"expression": value.strip()}
        return super().to_python(value)


class MomentInput(forms.SplitDateTimeWidget):
    """Date and time with the browser's own pickers, which need no script and speak its language."""

    def __init__(self) -> None:
        look = {"class": "input moment-part"}
        super().__init__(
            date_attrs={"type": "date", "aria-label": _("Date"), **look},  # type: ignore[dict-item]  # a lazy text
            time_attrs={"type": "time", "step": "1", "aria-label": _("Time"), **look},  # type: ignore[dict-item]
            date_format="%Y-%m-%d",
            time_format="%H:%M:%S",
        )


class TaskForm(ServiceForm[Task]):
    #: The version that the person has seen: a form that has become old is refused, not merged.
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Task
        fields = [name for _title, names in SECTIONS for name in names]
        field_classes = {"trigger_params": ScheduleField}
        widgets = {
            "function": SelectInput(),
            "parameters": ParametersWidget(),
            "trigger_params": ScheduleWidget(),
            "time_zone": TextInput(
                attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}
            ),
            "start_at": MomentInput(),
            "end_at": MomentInput(),
            "description": TextArea(attrs={"rows": 3}),
            "remark": TextArea(attrs={"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version
        if "parameters" not in self.fields:
            return  # only to be read
        if "calendar_policy" in self.fields:
            self.fields["calendar_policy"].required = False
        zone = self.zone(self.initial.get("time_zone") or self.instance.time_zone)
        for name in TIMES:
            at = self.initial.get(name)
            if isinstance(at, datetime):
                self.initial[name] = at.astimezone(zone).replace(tzinfo=None)
        if "function" in self.fields:
            self.fields["function"].widget.choices = function_choices(self._said("function"))
        parameters, schedule = self.fields["parameters"].widget, self.fields["trigger_params"].widget
        parameters.chooser = "id_function" if "function" in self.fields else ""
        parameters.function = lambda: self._said("function")
        parameters.check = lambda: self.is_bound
        if not self.instance.pk and not self.is_bound:  # what a person has said stays
            parameters.takes = definitions.DECLARED
        schedule.task_id = self.instance.pk

    def _said(self, name: str) -> str:
        if name not in self.fields:
            return str(getattr(self.instance, name))
        return str(self[name].value() or "")

    @staticmethod
    def zone(name: str) -> Any:
        try:
            return triggers.zone(name)
        except InvalidTrigger:
            return timezone.get_current_timezone()  # what is wrong with the zone is said at the zone

    def _clean_fields(self) -> None:
        # Times are typed in the task's own zone.
        with timezone.override(self.zone(self._said("time_zone"))):
            super()._clean_fields()  # type: ignore[misc]  # the stubs do not know it

    def clean_parameters(self) -> Any:
        return {} if self.cleaned_data["parameters"] is None else self.cleaned_data["parameters"]

    def clean_calendar_policy(self) -> str:
        return self.cleaned_data["calendar_policy"] or Task.CalendarPolicy.SKIP.value

    def clean_spread_seconds(self) -> int:
        return self.cleaned_data["spread_seconds"] or 0

    def clean_trigger_params(self) -> Any:
        return {} if self.cleaned_data["trigger_params"] is None else self.cleaned_data["trigger_params"]

    def check_service(self) -> None:
        # A request that does not say what it has seen has seen nothing.
        if self.instance.pk and self.cleaned_data.get("seen_version") != self.instance.version:
            raise ValidationError(tasks.edited_meanwhile(self.instance.version))
        if not self.instance.pk or not set(self.changed_data).isdisjoint(Task.SCHEDULE):
            tasks.check_future(self.instance, clock.refresh())


def function_choices(chosen: str) -> list[Any]:
    """The registered functions by category; the task's own also when its code is missing."""
    groups: dict[str, list[tuple[str, str]]] = {}
    functions = registry.functions()
    for name, function in sorted(functions.items()):
        groups.setdefault(function.category or "", []).append((name, f"{function.label} ({name})"))
    choices: list[Any] = [("", "")]
    if chosen and chosen not in functions:
        choices.append((chosen, chosen))
    return choices + [(category, entries) for category, entries in sorted(groups.items())]
