"""What buttons are answered with: back to a page with a message, or the message as JSON for scripts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme

from scheduling.views.access import refuse, wants_json


def done(request: HttpRequest, text: str, address: str = "", **more: Any) -> HttpResponse:
    """``address``: where the message leads to; ``more`` stands in the JSON beside it."""
    if wants_json(request):
        return JsonResponse({"message": text, **more})
    messages.success(request, format_html('<a href="{}">{}</a>', address, text) if address else text)
    return HttpResponseRedirect(back(request))


def refused(request: HttpRequest, code: str, text: str, status: int) -> HttpResponse:
    if wants_json(request):
        return refuse(status, code, text)
    messages.error(request, text)
    return HttpResponseRedirect(back(request))


def back(request: HttpRequest) -> str:
    """The page that the request names as ``next``, if it is one of ours; else the board."""
    wanted = request.POST.get("next", "")
    if wanted and url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return reverse("board")
