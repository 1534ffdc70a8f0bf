"""Pages that belong to no app."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """This web process answers. It asks nothing of the database: a restart would not mend that one."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")
