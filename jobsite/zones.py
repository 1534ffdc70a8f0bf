"""The zone in which pages show times: the person's own choice, else the browser's, else the installation's."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: The cookie that keeps the choice, so that it holds before and after a login.
COOKIE = "jobsite_zone"
COOKIE_SECONDS = 365 * 86_400

_chosen: ContextVar[str] = ContextVar("chosen_zone", default="")


def is_zone(name: str) -> bool:
    return name in zoneinfo.available_timezones()


def chosen() -> str:
    """The zone that the person of this request has chosen; empty: none, so the browser's is used."""
    return _chosen.get()


def without_browser() -> str:
    """The zone of texts that no browser rewrites: the chosen one, else the installation's, else UTC."""
    return _chosen.get() or settings.JOBSITE_DISPLAY_TIME_ZONE or "UTC"


class ZoneMiddleware:
    """Makes the choice known for the length of a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.COOKIES.get(COOKIE, "")
        token = _chosen.set(name if name and is_zone(name) else "")
        try:
            return self.get_response(request)
        finally:
            _chosen.reset(token)
