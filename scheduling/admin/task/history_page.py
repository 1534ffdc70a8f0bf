"""The versions of a task: who changed what, the difference between any two, and the way back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from jobsite.admin_base import ServiceAdmin, actor_of, sentences
from scheduling.admin.task.access import context_for, task_for
from scheduling.admin.task.difference import readable
from scheduling.models import Task, TaskVersion
from scheduling.services import versions

#: Versions on one page; older ones are led to by their number.
PER_PAGE = 30


def number_of(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def show(page: ServiceAdmin[Task], request: HttpRequest, object_id: str) -> HttpResponse:
    """``?from=…&to=…`` compares two versions, ``?before=…`` leads to older ones."""
    task = task_for(page, request, object_id, "scheduling.view_task")
    rows = TaskVersion.objects.filter(task=task).order_by("-version")
    before = number_of(request.GET.get("before"))
    older = rows.filter(version__lt=before) if before is not None else rows
    listed: list[Any] = list(older.select_related("by").defer("definition")[: PER_PAGE + 1])
    for version in listed:
        version.words = readable(version.changes)
    first, second = number_of(request.GET.get("from")), number_of(request.GET.get("to"))
    pair = [
        rows.select_related("by").filter(version=number).first() if number is not None else None
        for number in (first, second)
    ]
    context: dict[str, Any] = {
        **context_for(page, request, task, _("Versions")),
        "listed": listed[:PER_PAGE],
        "older": listed[PER_PAGE - 1].version if len(listed) > PER_PAGE else None,
        "before": before,
        "comparable": len(listed) > 1,
        "may_change": page.has_change_permission(request, task),
    }
    if pair[0] is not None and pair[1] is not None:
        context |= {
            "first": pair[0],
            "second": pair[1],
            "difference": readable(versions.difference(pair[0], pair[1])),
        }
    return TemplateResponse(request, "scheduling/task/history.html", context)


def rollback(page: ServiceAdmin[Task], request: HttpRequest, object_id: str) -> HttpResponse:
    """Back to ``version``, if the task is still the one that the person has compared with (``seen_version``)."""
    task = task_for(page, request, object_id, "scheduling.change_task")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    version = number_of(request.POST.get("version")) or 0
    history = reverse("admin:scheduling_task_history", args=[task.pk])
    try:
        seen = number_of(request.POST.get("seen_version")) or 0
        back = versions.rollback(task.pk, version, actor=actor_of(request), seen_version=seen)
    except page.REFUSALS as error:
        messages.error(request, sentences(error))
        return HttpResponseRedirect(history)
    text = _("%(task)s is as it was in version %(version)d; this is version %(new)d.")
    messages.success(request, text % {"task": back.name, "version": version, "new": back.version})
    return HttpResponseRedirect(history)
