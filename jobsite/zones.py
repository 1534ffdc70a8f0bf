"""The zone in which pages show times: the person's own choice, else the browser's, else the installation's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from urllib.parse import unquote
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest, HttpResponse

#: Keeps the choice, so that it holds before and after a login.
CHOSEN_COOKIE = "jobsite_zone_chosen"
COOKIE_SECONDS = 365 * 86_400
#: The browser's own zone, told by static/js/times.js: the server draws days as that has them.
BROWSER_COOKIE = "jobsite_zone"

_chosen: ContextVar[str] = ContextVar("chosen_zone", default="")
_browser: ContextVar[str] = ContextVar("browser_zone", default="")


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    return name in _names()


def chosen() -> str:
    """The zone that the person of this request has chosen; empty: none, so the browser's is used."""
    return _chosen.get()


def current() -> ZoneInfo:
    """The zone of this request, as far as the server knows it: of days, and of texts that no browser rewrites."""
    return ZoneInfo(_chosen.get() or _browser.get() or settings.JOBSITE_DISPLAY_TIME_ZONE or "UTC")


@contextmanager
def of(request: HttpRequest) -> Iterator[None]:
    """Makes the zones that the request's cookies name known within."""
    names = [unquote(request.COOKIES.get(cookie, "")) for cookie in (CHOSEN_COOKIE, BROWSER_COOKIE)]
    known = [name if is_zone(name) else "" for name in names]
    tokens = [variable.set(name) for variable, name in zip((_chosen, _browser), known, strict=True)]
    try:
        yield
    finally:
        for variable, token in zip((_chosen, _browser), tokens, strict=True):
            variable.reset(token)


class ZoneMiddleware:
    """Makes them known for the length of a request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with of(request):
            return self.get_response(request)
