"""A copy of a task under another key."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, actor_of, sentences
from scheduling.admin.task.access import context_for, task_for
from scheduling.exceptions import Refused
from scheduling.models import Task
from scheduling.services import tasks
from scheduling.services.actor import Actor


class CloneForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=200, widget=forms.TextInput(attrs={"class": "input"}))
    key = forms.CharField(
        label=_("Key"),
        max_length=100,
        widget=forms.TextInput(attrs={"class": "input code", "spellcheck": "false"}),
        help_text=_("The name that programs and YAML files use."),
    )

    def clone(self, task: Task, actor: Actor) -> Task | None:
        """The copy, or None: then the form says what is wrong."""
        try:
            return tasks.clone(task.pk, self.cleaned_data["key"], actor=actor, name=self.cleaned_data["name"])
        except ValidationError as error:
            for name, texts in error.message_dict.items():
                self.add_error(name if name in self.fields else None, texts)
        except Refused as error:
            self.add_error(None, sentences(error))
        return None


def show(page: ServiceAdmin[Task], request: HttpRequest, object_id: str) -> HttpResponse:
    task = task_for(page, request, object_id, "scheduling.add_task")
    initial = {
        "key": tasks.copied_key(task.key),
        "name": gettext("%(name)s (copy)") % {"name": task.name[:180]},
    }
    form = CloneForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        copied = form.clone(task, actor_of(request))
        if copied is not None:
            text = gettext("%(task)s has been made. It is disabled until you enable it.")
            messages.success(request, text % {"task": copied.name})
            return HttpResponseRedirect(reverse("admin:scheduling_task_change", args=[copied.pk]))
    context = context_for(page, request, task, gettext("Clone"))
    return TemplateResponse(request, "scheduling/task/clone.html", {**context, "form": form})
