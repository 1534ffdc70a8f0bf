"""Answers for static/js/poll.js: the part as it is now, or 204 when the asker has it already."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def cursor_of(html: str) -> str:
    """Names a state of a part. Parts hold absolute times only, so the same state reads the same."""
    return hashlib.sha256(html.encode()).hexdigest()[:32]


def part(request: HttpRequest, template: str, context: dict[str, Any]) -> tuple[str, str]:
    """The part and its cursor, for the page that holds it first."""
    html = render_to_string(template, context, request)
    return html, cursor_of(html)


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
