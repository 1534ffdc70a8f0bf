"""The page that says how far the sizes by period are computed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from instances.models import Period
from instances.services import status
from scheduling import clock


@require_GET
def periods_view(request: HttpRequest) -> HttpResponse:
    """Shown to whoever may see sizes by period."""
    if not request.user.has_perm("instances.view_databasesizeaggregate"):
        raise PermissionDenied
    now = clock.now()
    found = status.aggregation(now=now, viewer=request.user)
    session = found["last_session"]
    context = {
        **admin.site.each_context(request),
        "title": _("How the periods stand"),
        "rows": [_row(name, values) for name, values in found["periods"].items()],
        "session": session["session"] if session else "",
        "computed_at": datetime.fromisoformat(session["started_at"]) if session else None,
        "may_see_sessions": request.user.has_perm("instances.view_syncsession"),
        "now": now,
    }
    return render(request, "instances/periods.html", context)


def _row(name: str, values: dict[str, Any]) -> dict[str, Any]:
    kind, period = name.split()
    return {
        "period": Period(period).label,
        "is_over": kind == "last",
        "start": date.fromisoformat(values["start"]),
        "end": date.fromisoformat(values["end"]),
        "instances": values["instances"],
        "missing": values["missing"],
        "more": values["missing_count"] - len(values["missing"]),
        "missing_count": values["missing_count"],
    }
