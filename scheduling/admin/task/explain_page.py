"""Why did it run, or not, at that moment? Answered from rows; a question is an address, so it works without scripts."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin
from scheduling import triggers
from scheduling.admin.task.access import context_for, task_for
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Execution, Task
from scheduling.services import explain


class AtForm(forms.Form):
    """The moment, in the task's zone or with an offset of its own; none: now."""

    at = forms.DateTimeField(
        label=_("At"),
        required=False,
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M:%S",
            attrs={"type": "datetime-local", "step": "1", "class": "input moment"},
        ),
    )

    def __init__(self, task: Task, data: Any = None) -> None:
        super().__init__(data, auto_id="why-%s")
        self.fields["at"].help_text = gettext("In the time zone %(zone)s; empty: now.") % {
            "zone": task.time_zone
        }


def section(task: Task, form: AtForm | None = None) -> dict[str, Any]:
    """What the box on the task's page and the page of the answer show."""
    return {"why_form": form or AtForm(task)}


def show(page: ServiceAdmin[Task], request: HttpRequest, object_id: str) -> HttpResponse:
    """``?at=``: a moment; ``?execution=``: one of the task's executions, whatever its moment; neither: now."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    task = task_for(page, request, object_id, "scheduling.view_execution")
    with timezone.override(zone_of(task)):
        execution = _execution(task, request.GET.get("execution", ""))
        asked = request.GET if "at" in request.GET else {"at": ""}
        if execution is not None:
            asked = {"at": f"{timezone.localtime(execution.scheduled_for):%Y-%m-%dT%H:%M:%S}"}
        form = AtForm(task, asked)
        if execution is not None:
            answer: explain.Explanation | None = explain.of(execution)
        else:
            answer = explain.explain(task, form.cleaned_data["at"]) if form.is_valid() else None
        context = {
            **context_for(page, request, task, gettext("Why it ran, or did not")),
            **section(task, form),
            "answer": answer,
            "parts": _parts(answer),
        }
        response = TemplateResponse(request, "scheduling/task/explain.html", context)
        return response.render()


def zone_of(task: Task) -> tzinfo:
    """The task's own zone, or the page's when it has none that is known any more."""
    try:
        return triggers.zone(task.time_zone)
    except InvalidTrigger:
        return timezone.get_current_timezone()


def _execution(task: Task, number: str) -> Execution | None:
    if not number:
        return None
    row = (
        Execution.objects.filter(task_id=task.pk, pk=int(number[:18])).first() if number.isdecimal() else None
    )
    if row is None:
        raise Http404(gettext("There is no such execution; old ones are removed."))
    return row


def _parts(answer: explain.Explanation | None) -> list[tuple[str, float, str]]:
    """The lateness: what, milliseconds, and what it tells of."""
    late = answer.lateness if answer is not None else None
    if late is None:
        return []
    found = [
        (gettext("Seen as due"), late.admission, gettext("until a node saw that it was due")),
        (
            gettext("Waiting"),
            late.waiting,
            gettext("until it was allowed to start: overlap, delay, pause, retry"),
        ),
        (gettext("For a seat"), late.claim, gettext("until a node had a seat, and its pool room, for it")),
    ]
    if late.start is not None:
        found.append((gettext("Around it"), late.start, gettext("starting it, and storing what came of it")))
    return [(what, seconds * 1000, why) for what, seconds, why in found]
