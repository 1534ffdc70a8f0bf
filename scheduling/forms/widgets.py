"""Widgets that show JSON as fields. The JSON text is what is sent: without JavaScript it is written by hand."""

from __future__ import annotations

import functools
import json
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from scheduling.exceptions import UnknownFunction
from scheduling.forms.parameters import fields_of
from scheduling.forms.schedules import editors


def pretty(text: Any) -> Any:
    """JSON text with a line for each value; what is no JSON stays as it is."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return text
    return json.dumps(value, indent=2, ensure_ascii=False) if value else json.dumps(value)


class JsonWidget(forms.Textarea):
    """A text of JSON in a template of the project."""

    def format_value(self, value: Any) -> Any:
        return pretty(value)

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        return mark_safe(render_to_string(template_name, context))  # noqa: S308  (a template escapes)


class ParametersWidget(JsonWidget):
    """The parameters of a function: fields made from its schema, in step with the JSON text."""

    template_name = "scheduling/forms/parameters.html"
    #: The id of the input by which the function is chosen; "" when it is fixed.
    chooser = ""
    #: The fields beside it that begin with what the function declares, as long as nobody has said otherwise.
    takes: Sequence[str] = ()
    #: Set by the form: the function's name, and whether what is wrong is to be told.
    function: Callable[[], str] = staticmethod(lambda: "")
    check: Callable[[], bool] = staticmethod(lambda: False)
    #: Whether it asks for some of the parameters alone: none is required, and none left empty gets its default.
    partial = False

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context |= parameters_context(self.function(), value, check=self.check())
        if self.partial:
            context["parameters"] = [
                replace(each, required=False, default="") for each in context["parameters"]
            ]
        return context | {"chooser": self.chooser, "takes": " ".join(self.takes)}


def parameters_context(function: str, text: Any, *, check: bool) -> dict[str, Any]:
    """What templates/scheduling/forms/fields.html is filled from."""
    try:
        values = json.loads(text) if text else {}
    except (TypeError, ValueError):
        values, check = {}, False  # the form has said that it is no JSON
    try:
        fields, whole = fields_of(function, values, check=check)
    except UnknownFunction:
        return {"function": "", "parameters": [], "whole_errors": []}
    return {"function": function, "parameters": fields, "whole_errors": whole}


@functools.cache
def zones() -> list[str]:
    """The names of time zones, for suggestions."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


class ScheduleWidget(JsonWidget):
    """The parameters of a schedule: an editor for each kind, in step with the JSON text."""

    template_name = "scheduling/forms/schedule.html"
    #: Set by the form: the task whose schedule it is.
    task_id: int | None = None

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        return context | {"editors": editors(), "task_id": self.task_id, "zones": zones()}
