"""Whether the scheduling works, for probes that know nothing but a status: 200, or 503 with the reasons."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from scheduling.services import health


@never_cache
def show(request: HttpRequest) -> HttpResponse:
    """Without a login, so it says nothing of single tasks."""
    try:
        reasons = health.check().reasons
    except DatabaseError:
        reasons = ["the database does not answer"]
    text = "\n".join(reasons) or "ok"
    return HttpResponse(f"{text}\n", status=503 if reasons else 200, content_type="text/plain; charset=utf-8")
