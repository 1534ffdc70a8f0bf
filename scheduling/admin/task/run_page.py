"""Run with parameters: the function's fields, filled with what the task has; the task itself stays as it is."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, actor_of, sentences
from scheduling import triggers
from scheduling.admin.task.access import context_for, task_for
from scheduling.exceptions import InvalidTrigger, Refused
from scheduling.forms.widgets import ParametersWidget
from scheduling.models import Execution, State, Task
from scheduling.services import tasks


class RunForm(forms.Form):
    parameters = forms.JSONField(label=_("Parameters"), required=False, widget=ParametersWidget())
    run_at = forms.DateTimeField(
        label=_("Not before"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1", "class": "input moment"}),
    )
    force = forms.BooleanField(
        label=_("Run beside those that run already"),
        required=False,
        help_text=_("Otherwise it waits while as many as allowed are running."),
    )
    key = forms.CharField(max_length=64, widget=forms.HiddenInput, required=False)

    def __init__(self, task: Task, may_force: bool, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {"parameters": task.parameters, "key": uuid.uuid4().hex}
        self.task = task
        widget = self.fields["parameters"].widget
        assert isinstance(widget, ParametersWidget)  # noqa: S101  (for mypy)
        widget.function = lambda: task.function
        widget.check = lambda: self.is_bound
        self.fields["run_at"].help_text = gettext("In the time zone %(zone)s; empty: at once.") % {
            "zone": task.time_zone
        }
        if not may_force:
            del self.fields["force"]

    def _clean_fields(self) -> None:
        try:
            zone = triggers.zone(self.task.time_zone)
        except InvalidTrigger:
            zone = timezone.get_current_timezone()
        with timezone.override(zone):
            super()._clean_fields()  # type: ignore[misc]  # the stubs do not know it

    def ask(self, actor: Any) -> Execution | None:
        """The execution, or None: then the form says what is wrong, where it is wrong."""
        asked = self.cleaned_data
        try:
            return tasks.run_now(
                self.task.pk,
                actor=actor,
                parameters={} if asked["parameters"] is None else asked["parameters"],
                replace=True,
                run_at=asked["run_at"],
                force=asked.get("force", False),
                idempotency_key=asked["key"],
            )
        except ValidationError as error:
            for name, texts in error.message_dict.items():
                self.add_error(name if name in self.fields else None, texts)
        except Refused as error:
            self.add_error(None, sentences(error))
        return None


def show(page: ServiceAdmin[Task], request: HttpRequest, object_id: str) -> HttpResponse:
    task = task_for(page, request, object_id, "scheduling.run_task")
    may_force = request.user.has_perm("scheduling.force_task")
    if request.POST.get("force") and not may_force:
        raise PermissionDenied
    form = RunForm(task, may_force, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        execution = form.ask(actor_of(request))
        if execution is not None:
            address = reverse("admin:scheduling_execution_change", args=[execution.pk])
            text = gettext("%(task)s: asked to run.") % {"task": task.name}
            text = f"{text} #{execution.pk}: {State(execution.state).label}"
            messages.success(request, format_html('<a href="{}">{}</a>', address, text))
            return HttpResponseRedirect(address)
    context = context_for(page, request, task, gettext("Run with parameters"))
    return TemplateResponse(request, "scheduling/task/run.html", {**context, "form": form})
