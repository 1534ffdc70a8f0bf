"""The page of the partitions: what there is, and a button that makes what is missing."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from instances.services import partitions, sizes
from scheduling import clock


@require_http_methods(["GET", "POST"])
def partitions_view(request: HttpRequest) -> HttpResponse:
    """Shown to whoever may see sizes; made by whoever may run tasks."""
    may_create = request.user.has_perm("scheduling.run_task")
    if not request.user.has_perm("instances.view_databasesize") or (
        request.method == "POST" and not may_create
    ):
        raise PermissionDenied
    today = sizes.day_of(clock.now())
    if request.method == "POST":
        report = partitions.create_ahead(today=today, ahead=partitions.AHEAD)
        count = len(report.created)
        text = ngettext("%d partition was made.", "%d partitions were made.", count) % count
        messages.success(request, f"{text} {report.message}".strip())
        return HttpResponseRedirect(reverse("admin:instances_partitions"))
    words = {
        "past": _("past"),
        "current": _("current"),
        "future": _("future"),
        "default": _("what fits nowhere else"),
    }
    tables: list[dict[str, Any]] = partitions.status(today=today)
    for table in tables:
        for one in table["partitions"]:
            one["word"] = words[one["when"]]
    context = {
        **admin.site.each_context(request),
        "title": _("Partitions"),
        "tables": tables,
        "may_create": may_create and any(table["partitioned"] for table in tables),
    }
    return render(request, "instances/partitions.html", context)
