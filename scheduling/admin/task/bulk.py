"""One verb for all tasks that match the list's filters: the number is named and asked about, then it goes in batches.

Each request does a bounded part, in the order of the tasks' numbers, and hands the rest on to the next one, so that
no page waits for a hundred thousand tasks, and a stop in the middle leaves nothing half done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobsite.admin_base import ServiceAdmin, sentences
from scheduling.models import Task

#: Tasks that one request does at most, and for how long (seconds).
BATCH = 500
SECONDS = 4.0
#: Refusals that are told in words; the others are counted.
TOLD = 10
#: Counted no further than this when the number is named.
MOST = 1_000_000


@dataclass(slots=True)
class Progress:
    """How far a verb has come; it travels in the page's form."""

    after: int = 0  # the number of the last task that was done
    last: int = 0  # tasks that come later than the question are left alone
    total: int = 0
    done: int = 0
    refused: int = 0
    told: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: HttpRequest) -> Progress:
        numbers = {}
        for name in ("after", "last", "total", "done", "refused"):
            text = request.POST.get(name, "")
            numbers[name] = int(text) if text.isdecimal() and len(text) < 18 else 0
        return cls(**numbers, told=[text[:500] for text in request.POST.getlist("told")[:TOLD]])

    @property
    def handled(self) -> int:
        return self.done + self.refused


def respond(
    page: ServiceAdmin[Task],
    request: HttpRequest,
    queryset: QuerySet[Task],
    name: str,
    title: Any,
    verb: Callable[[Task], object],
) -> HttpResponse:
    """The question, a part of the work, or, at its end, the way back to the list."""
    if "confirmed" not in request.POST:
        total = queryset.order_by()[:MOST].count()
        last = queryset.order_by().aggregate(last=Max("pk"))["last"] or 0
        return _show(page, request, name, title, Progress(last=last, total=total), asking=True)
    progress = Progress.of(request)
    if "stop" not in request.POST and _work(queryset, verb, progress, page.REFUSALS):
        return _show(page, request, name, title, progress, asking=False)
    _tell(request, title, progress)
    return HttpResponseRedirect(request.get_full_path())


def _work(
    queryset: QuerySet[Task],
    verb: Callable[[Task], object],
    progress: Progress,
    refusals: tuple[type[Exception], ...],
) -> bool:
    """Does the next part; whether something is left."""
    end = time.monotonic() + SECONDS
    rows = list(queryset.order_by("pk").filter(pk__gt=progress.after, pk__lte=progress.last)[:BATCH])
    for number, task in enumerate(rows, start=1):
        try:
            verb(task)
            progress.done += 1
        except refusals as error:
            progress.refused += 1
            if len(progress.told) < TOLD:
                progress.told.append(f"{task}: {sentences(error)}"[:500])
        progress.after = task.pk
        if time.monotonic() > end and number < len(rows):
            return True
    return len(rows) == BATCH


def _show(
    page: ServiceAdmin[Task], request: HttpRequest, name: str, title: Any, progress: Progress, *, asking: bool
) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "opts": page.opts,
        "action": name,
        "progress": progress,
        "asking": asking,
        "narrowed": bool(request.GET),
        "most": MOST,
        "media": page.media,
    }
    return TemplateResponse(request, "scheduling/task/bulk.html", context)


def _tell(request: HttpRequest, title: Any, progress: Progress) -> None:
    if progress.done:
        text = ngettext(
            "%(verb)s: done for %(number)s task.", "%(verb)s: done for %(number)s tasks.", progress.done
        )
        messages.success(request, text % {"verb": title, "number": number_format(progress.done)})
    if progress.refused:
        text = ngettext("%(number)s task was refused:", "%(number)s tasks were refused:", progress.refused)
        told = [text % {"number": number_format(progress.refused)}, *progress.told]
        left = progress.refused - len(progress.told)
        messages.error(request, " ".join(told) + (" …" if left > 0 else ""))
    if not progress.handled:
        messages.info(request, _("Nothing was done."))
