"""Run again with other parameters: the function's fields, filled with what that run had."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, actor_of, sentences
from scheduling import registry
from scheduling.admin.execution import verbs
from scheduling.admin.execution.access import context_for, execution_for, to_page
from scheduling.exceptions import Refused, UnknownFunction
from scheduling.forms.widgets import ParametersWidget
from scheduling.masking import masked_values, restored
from scheduling.models import Execution
from scheduling.services import executions


class AgainForm(forms.Form):
    parameters = forms.JSONField(label=_("Parameters"), required=False, widget=ParametersWidget())
    key = forms.CharField(max_length=64, widget=forms.HiddenInput, required=False)

    def __init__(self, execution: Execution, *args: Any, **kwargs: Any) -> None:
        try:
            schema = registry.get(execution.function).schema
        except UnknownFunction:
            schema = None
        # What is secret is not shown; left as it is shown, it stays.
        shown = masked_values(execution.parameters, schema)
        super().__init__(*args, **kwargs)
        self.initial = {"parameters": shown, "key": uuid.uuid4().hex}
        self.execution = execution
        widget = self.fields["parameters"].widget
        assert isinstance(widget, ParametersWidget)  # noqa: S101  (for mypy)
        widget.function = lambda: execution.function
        widget.check = lambda: self.is_bound

    def ask(self, actor: Any) -> Execution | None:
        """The execution that will run, or None: then the form says what is wrong, where it is wrong."""
        given = self.cleaned_data["parameters"]
        values = restored({} if given is None else given, self.execution.parameters)
        try:
            return executions.retry(
                self.execution.pk, values, actor=actor, idempotency_key=self.cleaned_data["key"]
            )
        except ValidationError as error:
            for name, texts in error.message_dict.items():
                self.add_error(name if name in self.fields else None, texts)
        except Refused as error:
            self.add_error(None, sentences(error))
        return None


def show(page: ServiceAdmin[Execution], request: HttpRequest, execution_id: int) -> HttpResponse:
    execution = execution_for(request, execution_id, "scheduling.run_task")
    form = AgainForm(execution, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        made = form.ask(actor_of(request))
        if made is not None:
            verbs.tell(request, made)
            return to_page(made.pk)
    title = gettext("Run again: #%(id)d") % {"id": execution.pk}
    context = {**context_for(page, request, execution, title), "form": form}
    return TemplateResponse(request, "scheduling/execution/again.html", context)
