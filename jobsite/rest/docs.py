"""The page on which the API is read and tried (Swagger UI, from our own files)."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
@login_required
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "rest/docs.html", {"csrf_cookie": settings.CSRF_COOKIE_NAME})
