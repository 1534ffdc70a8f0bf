"""What a task runs after: listed, added and taken away by button; what is wrong is told at the form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, actor_of, sentences
from scheduling.admin.task.access import context_for, task_for
from scheduling.exceptions import Refused
from scheduling.models import Dependency, Task
from scheduling.services import dependencies
from scheduling.services.actor import Actor


class AddForm(forms.Form):
    task = forms.CharField(
        label=_("Key of the task that it runs after"),
        max_length=100,
        widget=forms.TextInput(attrs={"class": "input code", "spellcheck": "false", "autocomplete": "off"}),
    )
    on = forms.ChoiceField(
        label=_("When"), choices=Dependency.On.choices, widget=forms.Select(attrs={"class": "input"})
    )

    def clean_task(self) -> int:
        key = self.cleaned_data["task"].strip()
        number = Task.objects.present().filter(key=key).values_list("pk", flat=True).first()
        if number is None:
            raise ValidationError(gettext("There is no task %(key)r.") % {"key": key})
        return number

    def store(self, task: Task, actor: Actor) -> bool:
        """Whether it has been done; if not, the form says why."""
        try:
            dependencies.add(task.pk, self.cleaned_data["task"], on=self.cleaned_data["on"], actor=actor)
        except (ValidationError, Refused) as error:
            self.add_error("task", sentences(error))
            return False
        return True


def section(task: Task, *, may_change: bool, form: AddForm | None = None) -> dict[str, Any]:
    """What the page of the task and the page of its dependencies show of them."""
    after, dependents = dependencies.around(task.pk)
    return {
        "after_rows": after,
        "dependents": dependents,
        "modes": Task.DependencyMode.choices,
        "after_form": form or AddForm(),
        "may_depend": may_change,
    }


def show(page: ServiceAdmin[Task], request: HttpRequest, object_id: str) -> HttpResponse:
    """POST: ``verb`` is add (``task``, ``on``), remove (``upstream``) or mode (``mode``)."""
    task = task_for(page, request, object_id, "scheduling.view_task")
    form = None
    if request.method == "POST":
        if not request.user.has_perm("scheduling.change_task"):
            raise PermissionDenied
        if request.POST.get("verb") == "add":
            form = AddForm(request.POST)
            done = form.is_valid() and form.store(task, actor_of(request))
        else:
            done = _change(page, request, task)
        if done:
            messages.success(request, gettext("What the task runs after has been changed."))
            return HttpResponseRedirect(reverse("admin:scheduling_task_change", args=[task.pk]) + "#after")
    may_change = page.has_change_permission(request, task)
    context = context_for(page, request, task, gettext("Runs after"))
    values = {**context, **section(task, may_change=may_change, form=form)}
    return TemplateResponse(request, "scheduling/task/dependencies.html", values)


def _change(page: ServiceAdmin[Task], request: HttpRequest, task: Task) -> bool:
    """Whether it has been done; if not, a message says why."""
    actor = actor_of(request)
    try:
        if request.POST.get("verb") == "mode":
            dependencies.set_mode(task.pk, request.POST.get("mode", ""), actor=actor)
        else:
            number = request.POST.get("upstream", "")[:18]
            dependencies.remove(task.pk, int(number) if number.isdecimal() else 0, actor=actor)
    except page.REFUSALS as error:
        messages.error(request, sentences(error))
        return False
    return True
