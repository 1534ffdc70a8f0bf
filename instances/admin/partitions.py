"""The page of the partitions: what there is, what is wrong with it, and what can be asked for."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from instances.services import partitions, requests, sizes
from jobsite.admin_base import actor_of, key_of, sentences
from scheduling import clock
from scheduling.exceptions import Refused

#: The colour of each state of health, by the state of an execution that has it.
COLOURS = {partitions.HEALTHY: "succeeded", partitions.WARNING: "missed", partitions.CRITICAL: "failed"}


@require_http_methods(["GET", "POST"])
def partitions_view(request: HttpRequest) -> HttpResponse:
    """Shown to whoever may see sizes; asked for by whoever may run tasks: a scheduler does it."""
    may_run = request.user.has_perm("scheduling.run_task")
    if not request.user.has_perm("instances.view_databasesize") or (request.method == "POST" and not may_run):
        raise PermissionDenied
    if request.method == "POST":
        _ask(request, request.POST.get("verb", ""))
        return HttpResponseRedirect(reverse("admin:instances_partitions"))
    today = sizes.day_of(clock.now())
    health = partitions.check(today=today, ahead=partitions.AHEAD, mend=False)
    tables: list[dict[str, Any]] = partitions.status(today=today)
    words = {
        "past": _("past"),
        "current": _("current"),
        "future": _("future"),
        "default": _("what fits nowhere else"),
    }
    for table in tables:
        for one in table["partitions"]:
            one["word"] = words[one["when"]]
    states = {
        partitions.HEALTHY: _("healthy"),
        partitions.WARNING: _("needs attention"),
        partitions.CRITICAL: _("critical"),
    }
    context = {
        **admin.site.each_context(request),
        "title": _("Partitions"),
        "tables": tables,
        "health": health,
        "word": states[health.state],
        "colour": COLOURS[health.state],
        "verbs": _verbs(tables) if may_run else [],
    }
    return render(request, "instances/partitions.html", context)


def _verbs(tables: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What makes sense for these tables."""
    if not partitions.is_supported():
        return [("cleanup", _("Delete old rows"))]
    if not all(table["partitioned"] for table in tables):
        return [("upgrade", _("Give plain tables partitions"))]
    return [("create", _("Make missing partitions")), ("cleanup", _("Drop old partitions"))]


def _ask(request: HttpRequest, verb: str) -> None:
    if verb not in requests.PARTITION_TASKS:
        messages.error(request, _("Choose what is to be done."))
        return
    try:
        execution = requests.look_after_partitions(
            verb, actor=actor_of(request), idempotency_key=key_of(request)
        )
    except (Refused, ValidationError) as error:
        messages.error(request, sentences(error))
        return
    address = reverse("admin:scheduling_execution_change", args=[execution.pk])
    text = _("Run #%d does it.") % execution.pk
    messages.success(request, format_html('<a href="{}">{}</a>', address, text))
