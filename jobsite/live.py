"""Answers for static/js/poll.js: the part as it is now, or 204 when the asker has it already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import get_language

from jobsite import zones
from jobsite.belief import Belief

#: Parts and their cursors, for everybody who is to see the same.
shared: Belief[tuple[str, str]] = Belief()


def cursor_of(html: str) -> str:
    """Names a state of a part. Parts hold absolute times only, so the same state reads the same."""
    return hashlib.sha256(html.encode()).hexdigest()[:32]


def part(request: HttpRequest, template: str, context: dict[str, Any]) -> tuple[str, str]:
    """The part and its cursor, for the page that holds it first."""
    html = render_to_string(template, context, request)
    return html, cursor_of(html)


def shared_part(
    request: HttpRequest,
    template: str,
    context: Callable[[], dict[str, Any]],
    *seen_with: Hashable,
    afresh: bool = False,
) -> tuple[str, str]:
    """A part that is the same for everybody of the same language, zone and ``seen_with``: made once for all of them.

    ``seen_with``: whatever else decides how it looks, such as what the person may do. Who has just pressed a button
    asks with ``?fresh=1`` and is told nothing that was known before.
    """
    # Times read in the zone without JavaScript, and name it where the person has chosen one.
    key = (template, get_language(), zones.chosen(), str(zones.current()), *seen_with)
    afresh = afresh or "fresh" in request.GET
    return shared.get(key, lambda: part(request, template, context()), afresh=afresh)


def answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """For who asks for the part alone, with the cursor of what it has."""
    return respond(request, *part(request, template, context))


def respond(request: HttpRequest, html: str, cursor: str) -> HttpResponse:
    """The same with a part that is there already."""
    known = request.GET.get("cursor") == cursor
    response = HttpResponse(status=204) if known else HttpResponse(html)
    response["X-Cursor"] = cursor
    response["Cache-Control"] = "no-store"
    return response
