"""The guarantees: each promise, whether the live database keeps it, and the rows and statements that say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from scheduling.models import Examination
from scheduling.sentences import in_words
from scheduling.services import doctor
from scheduling.services.actor import Actor
from scheduling.views.access import forbid, staff_only

#: As the README states them. What no row can show, the tests do.
PROMISES = {
    "P1": gettext_lazy("One row per occurrence, whatever number of schedulers run."),
    "P2": gettext_lazy("At most one attempt at a time may record; a stale owner's write is refused."),
    "P3": gettext_lazy(
        "No due occurrence vanishes: it has a row, or lies in the stated range of one missed row."
    ),
    "P4": gettext_lazy("Effects happen at least once only where the task says so."),
    "P5": gettext_lazy("A run whose node died is lost within the lease and 5 s; a healthy run never is."),
    "P6": gettext_lazy("Nothing is destroyed because code is missing; the task heals when it is back."),
    "P7": gettext_lazy("An edit is in effect within 2 s, without a restart, and never fires by itself."),
    "P8": gettext_lazy("Schedules are right, in every zone and through every clock change."),
    "P9": gettext_lazy("Pages stay fast with a long history."),
    "P10": gettext_lazy("All of this on PostgreSQL, MariaDB or MySQL, and SQLite."),
}
#: Where the row that breaks a promise is looked at, and what is needed for it.
PAGES = {kind: f"admin:scheduling_{kind}_change" for kind in ("execution", "task", "pool", "node")}
#: Earlier examinations that are listed.
EARLIER = 10


@dataclass(slots=True)
class Row:
    """A promise, or what is examined beside them, with all its findings."""

    name: str
    words: object
    # Each with what it found: sentence and address.
    findings: list[tuple[doctor.Finding, list[tuple[str, str]]]] = field(default_factory=list)

    @property
    def state(self) -> str:
        states = {finding.state for finding, _links in self.findings}
        return next((state for state in ("broken", "unknown", "kept") if state in states), "untold")


@require_GET
@staff_only("scheduling.view_examination")
def show(request: HttpRequest) -> HttpResponse:
    last = doctor.latest()
    context = {
        **admin.site.each_context(request),
        "title": _("Guarantees"),
        "last": last,
        "rows": _rows(last, request) if last else [],
        "earlier": Examination.objects.select_related("by").defer("findings")[1 : 1 + EARLIER],
        "may_run": request.user.has_perm("scheduling.run_examination"),
        "seconds": doctor.MOST_SECONDS_TOGETHER,
    }
    return TemplateResponse(request, "scheduling/doctor.html", context)


@require_POST
@staff_only("scheduling.view_examination")
def run(request: HttpRequest) -> HttpResponse:
    """Looks now; the answer is on the page that it leads back to."""
    if not request.user.has_perm("scheduling.run_examination"):
        return forbid(request)
    made = doctor.examine(actor=Actor(user=request.user, source="admin"))
    if made.pk is None:  # a page that could only be lost on the way is shown at once
        context = {**admin.site.each_context(request), "title": _("Guarantees"), "last": made}
        context |= {"rows": _rows(made, request), "may_run": True, "seconds": doctor.MOST_SECONDS_TOGETHER}
        return TemplateResponse(request, "scheduling/doctor.html", context)
    return HttpResponseRedirect(reverse("doctor"))


def _rows(examination: Examination, request: HttpRequest) -> list[Row]:
    rows = {name: Row(name, words) for name, words in PROMISES.items()}
    beside = Row("", _("Beside the promises"))
    for finding in doctor.findings(examination):
        links = [(in_words(found.text), _address(found, request)) for found in finding.found]
        rows.get(finding.kind.promise, beside).findings.append((finding, links))
    return [*rows.values(), beside]


def _address(found: Any, request: HttpRequest) -> str:
    """Of the page of the row that breaks the promise; empty when there is none, or none for this person."""
    if found.kind not in PAGES or not request.user.has_perm(f"scheduling.view_{found.kind}"):
        return ""
    return reverse(PAGES[found.kind], args=[found.id])
