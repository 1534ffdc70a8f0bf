"""Templates of tasks: which there are, and the form that makes a task of one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, actor_of
from scheduling.exceptions import UnknownTemplate
from scheduling.models import Task
from scheduling.services import tasks, templates
from scheduling.services.actor import Actor
from scheduling.services.templates import Template, Variable


class TemplateForm(forms.Form):
    key = forms.CharField(
        label=_("Key"),
        max_length=100,
        widget=forms.TextInput(attrs={"class": "input code", "spellcheck": "false"}),
        help_text=_("The name that programs and YAML files use."),
    )

    def __init__(self, template: Template, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.template = template
        for variable in template.variables:
            self.fields[variable.name] = _field(variable)

    def create(self, actor: Actor) -> Task | None:
        """The task, or None: then the form says what is wrong, where it is wrong."""
        variables = {variable.name: self.cleaned_data[variable.name] for variable in self.template.variables}
        try:
            return templates.create_task(
                self.template, self.cleaned_data["key"], variables=variables, actor=actor
            )
        except ValidationError as error:
            for name, texts in error.message_dict.items():
                known = name in self.fields
                self.add_error(
                    name if known else None, texts if known else [f"{name}: {text}" for text in texts]
                )
        return None


def _field(variable: Variable) -> forms.Field:
    """Its texts are read by the variable itself, which says what is wrong with them."""
    known = {
        "label": gettext(variable.label),
        "help_text": gettext(variable.help) if variable.help else "",
        "required": variable.required and variable.default is None,
        "initial": variable.default,
    }
    if variable.type == "boolean":
        return forms.BooleanField(**known | {"required": False})
    widget: forms.Widget = forms.TextInput(attrs={"class": "input"})
    if variable.choices:
        widget = forms.Select(attrs={"class": "input"}, choices=[(text, text) for text in variable.choices])
    elif variable.type == "list":
        widget = forms.Textarea(attrs={"class": "input", "rows": 3})
        known["initial"] = "\n".join(variable.default or ())
    elif variable.type == "integer":
        widget = forms.NumberInput(attrs={"class": "input"})
    return forms.CharField(widget=widget, **known)


def show_all(page: ServiceAdmin[Task], request: HttpRequest) -> HttpResponse:
    _look_for_permission(request)
    found = sorted(templates.all_templates().values(), key=lambda template: gettext(template.name))
    rows = [
        {"template": each, "name": gettext(each.name), "description": gettext(each.description)}
        for each in found
    ]
    context = {"rows": rows, "may_add": request.user.has_perm("scheduling.add_task")}
    return TemplateResponse(
        request,
        "scheduling/task/templates.html",
        {**_context(page, request, gettext("Templates")), **context},
    )


def show(page: ServiceAdmin[Task], request: HttpRequest, key: str) -> HttpResponse:
    _look_for_permission(request, "scheduling.add_task")
    try:
        template = templates.get(key)
    except UnknownTemplate as error:
        raise Http404(str(error)) from error
    initial = {"key": tasks.free_key(key.replace("_", "-"))}
    form = TemplateForm(template, request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        task = form.create(actor_of(request))
        if task is not None:
            text = gettext("%(task)s has been made. Look at its schedule and its rules.")
            messages.success(request, text % {"task": task.name})
            return HttpResponseRedirect(reverse("admin:scheduling_task_change", args=[task.pk]))
    context = {
        "form": form,
        "template": template,
        "description": gettext(template.description) if template.description else "",
    }
    title = gettext(template.name)
    return TemplateResponse(
        request, "scheduling/task/template.html", {**_context(page, request, title), **context}
    )


def _look_for_permission(request: HttpRequest, *more: str) -> None:
    """Raises PermissionDenied."""
    if not request.user.has_perms(("scheduling.view_task", *more)):
        raise PermissionDenied


def _context(page: ServiceAdmin[Task], request: HttpRequest, title: str) -> dict[str, Any]:
    return {**page.admin_site.each_context(request), "opts": page.opts, "title": title, "media": page.media}
