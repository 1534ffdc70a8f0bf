"""Pages that belong to no app."""

from __future__ import annotations

import zoneinfo
from functools import cache

from django.conf import settings
from django.contrib import admin, messages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from jobsite import zones
from scheduling import clock

PLAIN = "text/plain; charset=utf-8"


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """This web process answers. It asks nothing of the database: a restart would not mend that one."""
    return HttpResponse("ok\n", content_type=PLAIN)


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """This web process can serve: its database answers, and has the tables. A scheduler is another matter."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        ready = _is_migrated()
    except DatabaseError:
        return HttpResponse("the database does not answer\n", status=503, content_type=PLAIN)
    if not ready:
        _is_migrated.cache_clear()
        return HttpResponse("the database lacks migrations\n", status=503, content_type=PLAIN)
    return HttpResponse("ok\n", content_type=PLAIN)


@cache
def _is_migrated() -> bool:
    """Asked until it is so; tables do not go back while a process lives."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


@require_http_methods(["GET", "POST"])
def time_zone(request: HttpRequest) -> HttpResponse:
    """The zone in which this person sees times; empty: the browser's. A cookie keeps the choice."""
    if request.method == "POST":
        wanted = request.POST.get("zone", "").strip()
        if wanted and not zones.is_zone(wanted):
            messages.error(request, _("There is no time zone “%(name)s”.") % {"name": wanted[:64]})
            return _zone_page(request, status=400)
        answer = HttpResponseRedirect(reverse("time_zone"))
        if wanted:
            answer.set_cookie(
                zones.CHOSEN_COOKIE,
                wanted,
                max_age=zones.COOKIE_SECONDS,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        else:
            answer.delete_cookie(zones.CHOSEN_COOKIE, samesite="Lax")
        said = _("Times are now shown in %(zone)s.") % {"zone": wanted or _("the browser's zone")}
        messages.success(request, said)
        return answer
    return _zone_page(request)


def _zone_page(request: HttpRequest, status: int = 200) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": _("Time zone"),
        "chosen": zones.chosen(),
        "installation": settings.JOBSITE_DISPLAY_TIME_ZONE or "UTC",
        "names": sorted(zoneinfo.available_timezones()),
        "now": clock.now(),
    }
    return render(request, "jobsite/time_zone.html", context, status=status)
