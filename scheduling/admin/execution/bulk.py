"""Cancel or run again all executions that match the list's filters: bounded, asked about with their number, in parts.

Each request does a part, from the newest down, and hands the rest on to the next one. What came later than the
question is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from jobsite import zones
from jobsite.admin_base import ServiceAdmin, actor_of, sentences
from scheduling import clock
from scheduling.admin.execution import filters
from scheduling.exceptions import Refused
from scheduling.models import ACTIVE, ENDED, Execution, State
from scheduling.services import executions, history
from scheduling.services.actor import Actor

#: Executions that one question is about, at most; how long one request works (seconds), and how many it reads.
MOST = 1_000
SECONDS = 3.0
BATCH = 100
#: Refusals that are told in words; the others are counted.
TOLD = 5


@dataclass(frozen=True, slots=True)
class Verb:
    name: str
    title: Any
    permission: str
    # States it can be done to, and those it is done to when no state was chosen.
    possible: tuple[str, ...]
    usual: tuple[str, ...]
    service: Callable[[int, Actor, str], object]


VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "cancel",
            gettext_lazy("Cancel"),
            "scheduling.cancel_execution",
            ACTIVE,
            ACTIVE,
            lambda id, actor, _key: executions.cancel(id, actor=actor),
        ),
        Verb(
            "again",
            gettext_lazy("Run again"),
            "scheduling.run_task",
            ENDED,
            (State.FAILED, State.TIMED_OUT, State.LOST),
            lambda id, actor, key: executions.retry(id, actor=actor, idempotency_key=key),
        ),
    )
}


@dataclass(slots=True)
class Progress:
    """How far a verb has come; it travels in the page's form."""

    last: int = 0  # the newest execution at the time of the question
    before: int = 0  # the last one that was done; 0: none yet
    total: int = 0
    done: int = 0
    refused: int = 0
    told: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: HttpRequest) -> Progress:
        numbers = {}
        for name in ("last", "before", "total", "done", "refused"):
            text = request.POST.get(name, "")
            numbers[name] = int(text) if text.isdecimal() and len(text) < 18 else 0
        return cls(**numbers, told=[text[:500] for text in request.POST.getlist("told")[:TOLD]])

    @property
    def handled(self) -> int:
        return self.done + self.refused


def respond(page: ServiceAdmin[Execution], request: HttpRequest, name: str) -> HttpResponse:
    """The question, a part of the work, or, at its end, the way back to the list. The filters are in the address."""
    if name not in VERBS:
        raise Http404
    verb = VERBS[name]
    if not request.user.has_perms(("scheduling.view_execution", verb.permission)):
        raise PermissionDenied
    chosen = filters.read(request.GET, clock.refresh(), zones.current())
    states = tuple(state for state in chosen.wanted.states if state in verb.possible) or (
        () if chosen.wanted.states else verb.usual
    )
    wanted = replace(chosen.wanted, states=states)
    if chosen.faults or (chosen.wanted.states and not states):
        wanted = history.NOTHING
    if "confirmed" not in request.POST:
        newest = Execution.objects.order_by("-id").values_list("id", flat=True).first() or 0
        found = history.page(replace(wanted, up_to=newest), size=MOST)
        progress = Progress(last=newest, total=len(found.ids))
        return _show(page, request, verb, progress, states, more=found.older, asking=True)
    progress = Progress.of(request)
    wanted = replace(wanted, up_to=progress.last)
    if "stop" not in request.POST and _work(wanted, verb, actor_of(request), progress):
        return _show(page, request, verb, progress, states, more=False, asking=False)
    _tell(request, verb, progress)
    return HttpResponseRedirect(reverse("admin:scheduling_execution_changelist") + chosen.address())


def _work(wanted: history.Wanted, verb: Verb, actor: Actor, progress: Progress) -> bool:
    """Does the next part; whether something is left."""
    end = time.monotonic() + SECONDS
    left = progress.total - progress.handled
    found = history.page(wanted, before=progress.before or None, size=max(1, min(BATCH, left)))
    for id in found.ids[:left]:
        try:
            verb.service(id, actor, f"again:{progress.last}:{id}")
            progress.done += 1
        except (Refused, ValidationError) as error:
            progress.refused += 1
            if len(progress.told) < TOLD:
                progress.told.append(f"#{id}: {sentences(error)}"[:500])
        progress.before = id
        if time.monotonic() > end:
            break
    progress.before = found.searched_to or progress.before
    return progress.handled < progress.total and (found.older or progress.before != (found.ids or [0])[-1])


def _show(
    page: ServiceAdmin[Execution],
    request: HttpRequest,
    verb: Verb,
    progress: Progress,
    states: tuple[str, ...],
    *,
    more: bool,
    asking: bool,
) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "title": verb.title,
        "opts": page.opts,
        "progress": progress,
        "states": states,
        "more": more,
        "most": MOST,
        "asking": asking,
        "query": request.GET.urlencode(),
        "media": page.media,
    }
    return TemplateResponse(request, "scheduling/execution/bulk.html", context)


def _tell(request: HttpRequest, verb: Verb, progress: Progress) -> None:
    if progress.done:
        text = ngettext(
            "%(verb)s: done for %(number)s execution.",
            "%(verb)s: done for %(number)s executions.",
            progress.done,
        )
        messages.success(request, text % {"verb": verb.title, "number": number_format(progress.done)})
    if progress.refused:
        text = ngettext(
            "%(number)s execution was refused:", "%(number)s executions were refused:", progress.refused
        )
        told = " ".join([text % {"number": number_format(progress.refused)}, *progress.told])
        messages.error(request, told + (" …" if progress.refused > len(progress.told) else ""))
    if not progress.handled:
        messages.info(request, _("Nothing was done."))
