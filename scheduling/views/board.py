"""The board: every task as a card, with what can be done to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from jobsite import live
from scheduling import clock
from scheduling.alarm import alarm_of
from scheduling.services import definitions
from scheduling.services.actor import Actor
from scheduling.views import cards, verbs
from scheduling.views.access import forbid, staff_only

PART = "scheduling/parts/cards.html"

Context = dict[str, Any]


@require_GET
@never_cache
@staff_only("scheduling.view_task")
def show(request: HttpRequest) -> HttpResponse:
    """The whole page. It works without JavaScript; with it, the cards live and buttons answer in place."""
    now = clock.refresh()
    context = cache(lambda: _context(request, now))
    # Without JavaScript every button leads back here, so the page itself is always as things are now.
    html, cursor = _part(request, context, afresh=True)
    page = {
        **admin.site.each_context(request),
        **context(),
        "title": _("Task board"),
        "part": html,
        "cursor": cursor,
        "as_of": now,
        "states": [(state, words_of_state(state)) for state in cards.STATES],
        "may_reload": may_reload(request),
    }
    return TemplateResponse(request, "scheduling/board.html", page)


@require_GET
@staff_only("scheduling.view_task")
def part(request: HttpRequest) -> HttpResponse:
    """The cards alone, for the page that asks whether something is new."""
    return live.respond(request, *_part(request, lambda: _context(request, clock.refresh())))


def _part(request: HttpRequest, context: Callable[[], Context], *, afresh: bool = False) -> tuple[str, str]:
    seen_with = cards.Filter.of(request.GET), *_may(request).items()
    return live.shared_part(request, PART, context, *seen_with, afresh=afresh)


def _context(request: HttpRequest, now: datetime) -> Context:
    wanted = cards.Filter.of(request.GET)
    alarm = alarm_of(request, detailed=True)
    return {**cards.context(wanted, alarm, now - timedelta(hours=24), now), **_may(request)}


def _may(request: HttpRequest) -> Context:
    """What the person may do decides which buttons the cards have."""
    return {
        "verbs": verbs.allowed(request.user),
        "may_change": request.user.has_perm("scheduling.change_task"),
        "may_add": request.user.has_perm("scheduling.add_task"),
        "may_see_executions": request.user.has_perm("scheduling.view_execution"),
    }


def words_of_state(state: str) -> str:
    """The words of a choice of the filter."""
    return {
        "enabled": _("enabled"),
        "paused": _("paused"),
        "disabled": _("disabled"),
        "running": _("running now"),
        "failed": _("failed in the last 24 hours"),
    }[state]


# --- reload


def may_reload(request: HttpRequest) -> bool:
    return request.user.has_perms(("scheduling.add_task", "scheduling.change_task"))


@require_http_methods(["GET", "POST"])
@staff_only("scheduling.view_task")
def reload(request: HttpRequest) -> HttpResponse:
    """Says what loading the apps' files again would do; by POST, does it."""
    if not may_reload(request):
        return forbid(request)
    if request.method != "POST":
        context = {
            **admin.site.each_context(request),
            "title": _("Reload tasks from YAML"),
            "summary": definitions.reload(dry_run=True),
            "files": [f"{path.parent.name}/{path.name}" for path in definitions.default_task_files()],
        }
        return TemplateResponse(request, "scheduling/reload.html", context)
    summary = definitions.reload(actor=Actor(user=request.user, source="admin"))
    text = _(
        "%(added)d added, %(updated)d updated, %(unchanged)d unchanged, %(kept)d kept as people edited or deleted "
        "them, %(refused)d refused."
    )
    text %= {
        "added": len(summary.added),
        "updated": len(summary.updated),
        "unchanged": len(summary.unchanged),
        "kept": len(summary.kept) + len(summary.left_deleted),
        "refused": summary.refused,
    }
    messages.add_message(request, messages.ERROR if summary.problems else messages.SUCCESS, text)
    for problem in summary.problems[:20]:
        messages.error(request, str(problem))
    return HttpResponseRedirect(reverse("board"))
