"""Cancel or run again all executions that match the list's filters, from the newest down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext

from jobsite import zones
from jobsite.admin_base import ServiceAdmin, actor_of
from jobsite.bulk import Bulk, Part, Progress
from scheduling import clock
from scheduling.admin.execution import filters
from scheduling.models import ACTIVE, ENDED, Execution, State
from scheduling.services import executions, history
from scheduling.services.actor import Actor

#: How many executions one request reads.
BATCH = 100


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


def respond(page: ServiceAdmin[Execution], request: HttpRequest, name: str) -> HttpResponse:
    if name not in VERBS:
        raise Http404
    if not request.user.has_perms(("scheduling.view_execution", VERBS[name].permission)):
        raise PermissionDenied
    return ExecutionBulk(page, request, VERBS[name]).respond()


class ExecutionBulk(Bulk):
    """The filters are in the address."""

    SECONDS, TOLD = 3.0, 5
    MOST = 1_000  # that one question is about
    template = "scheduling/execution/bulk.html"

    def __init__(self, page: ServiceAdmin[Execution], request: HttpRequest, verb: Verb) -> None:
        chosen = filters.read(request.GET, clock.refresh(), zones.current())
        super().__init__(
            page, request, verb.title, reverse("admin:scheduling_execution_changelist") + chosen.address()
        )
        self.verb, self.ends = verb, verb.name == "cancel"
        self.states = tuple(state for state in chosen.wanted.states if state in verb.possible) or (
            () if chosen.wanted.states else verb.usual
        )
        self.wanted = replace(chosen.wanted, states=self.states)
        if chosen.faults or (chosen.wanted.states and not self.states):
            self.wanted = history.NOTHING
        self.exceeds = False

    def count(self) -> tuple[int, int]:
        newest = Execution.objects.order_by("-id").values_list("id", flat=True).first() or 0
        found = history.page(replace(self.wanted, up_to=newest), size=self.MOST)
        self.exceeds = found.older
        return len(found.ids), newest

    def part(self, progress: Progress) -> Part:
        left = min(progress.total, self.MOST) - progress.handled
        if left <= 0:
            return Part([], more=False)
        wanted = replace(self.wanted, up_to=progress.last)
        found = history.page(wanted, before=progress.place or None, size=min(BATCH, left))
        rows = [(id, f"#{id}") for id in found.ids]
        return Part(rows, found.older and len(rows) < left, found.searched_to)

    def do(self, number: int, progress: Progress) -> object:
        return self.verb.service(number, actor_of(self.request), f"again:{progress.last}:{number}")

    def done_words(self, number: int) -> str:
        text = ngettext(
            "%(verb)s: done for %(number)s execution.", "%(verb)s: done for %(number)s executions.", number
        )
        return self.worded(text, number)

    def refused_words(self, number: int) -> str:
        text = ngettext("%(number)s execution was refused:", "%(number)s executions were refused:", number)
        return self.worded(text, number)

    def context(self) -> dict[str, Any]:
        return {"states": self.states, "exceeds": self.exceeds}
