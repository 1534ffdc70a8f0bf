"""Run many tasks with parameters that are typed once: each task keeps what is not given."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, actor_of
from jobsite.bulk import Progress
from scheduling.admin.task.bulk import TaskBulk
from scheduling.forms.widgets import ParametersWidget
from scheduling.models import Task
from scheduling.services import tasks

#: Functions of the chosen tasks that are looked for: more than one have no fields in common.
FUNCTIONS = 2


class ParametersForm(forms.Form):
    parameters = forms.JSONField(label=_("Parameters"), required=False, widget=ParametersWidget())

    def __init__(self, functions: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(functions) == 1:
            widget = self.fields["parameters"].widget
            assert isinstance(widget, ParametersWidget)  # noqa: S101  (for mypy)
            widget.function, widget.partial = lambda: functions[0], True
        else:
            attrs = {
                "class": "input code",
                "rows": 5,
                "spellcheck": "false",
                "aria-label": _("Parameters as JSON"),
            }
            self.fields["parameters"].widget = forms.Textarea(attrs)

    def clean_parameters(self) -> dict[str, Any]:
        given = self.cleaned_data["parameters"]
        if given is not None and not isinstance(given, dict):
            raise forms.ValidationError(_("The parameters must be an object: names and values."))
        return given or {}


class BulkRun(TaskBulk):
    """What a task's function does not take is refused for that task, by name."""

    template = "scheduling/task/bulk_run.html"

    def __init__(
        self, page: ServiceAdmin[Task], request: HttpRequest, queryset: QuerySet[Task], name: str, title: Any
    ) -> None:
        super().__init__(page, request, queryset, name, title)
        self.parameters: dict[str, Any] = {}

    def respond(self) -> HttpResponse:
        if "confirmed" not in self.request.POST:
            self.form = ParametersForm(self._functions(), initial={"parameters": {}})
            return self.ask()
        self.form = ParametersForm([], self.request.POST)
        if not self.form.is_valid():  # asked anew, with what was typed and what is wrong with it
            self.form = ParametersForm(self._functions(), self.request.POST)
            return self.ask()
        self.parameters = self.form.cleaned_data["parameters"]
        return super().respond()

    def _functions(self) -> list[str]:
        self.functions = list(self.tasks.order_by().values_list("function", flat=True).distinct()[:FUNCTIONS])
        return self.functions

    def do(self, number: int, progress: Progress) -> object:
        return tasks.run_now(
            number, actor=actor_of(self.request), parameters=self.parameters, idempotency_key=progress.key
        )

    def fields(self) -> list[tuple[str, str]]:
        travelling = [("parameters", json.dumps(self.parameters))] if self.parameters else []
        return [*super().fields(), *travelling]

    def context(self) -> dict[str, Any]:
        return {**super().context(), "form": self.form, "functions": getattr(self, "functions", [])}
