"""One verb for very many rows: asked about with their number, then done in parts, each within one request.

No page waits for a hundred thousand rows, and a stop in the middle leaves nothing half done. What came later than
the question is left alone.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from jobsite.admin_base import ServiceAdmin, sentences
from jobsite.templatetags.jobsite import counted

NUMBERS = ("place", "last", "total", "done", "refused")


@dataclass(slots=True)
class Progress:
    """How far a verb has come; it travels in the page's form."""

    # Of this question alone: by it a part that is sent twice is known.
    key: str = ""
    place: int = 0  # the last row that was handled; 0: none yet
    last: int = 0  # the newest row at the time of the question
    total: int = 0
    done: int = 0
    refused: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def handled(self) -> int:
        return self.done + self.refused

    def fields(self) -> list[tuple[str, str]]:
        numbers = [(name, str(getattr(self, name))) for name in NUMBERS]
        return [("key", self.key), *numbers, *(("told", text) for text in self.told)]


class Part(NamedTuple):
    """The next rows, as number and name, in the order in which they are handled."""

    rows: list[tuple[int, str]]
    more: bool
    # How far they were looked for, where that is beyond the last of them.
    searched_to: int | None = None


class Bulk(ABC):
    """A verb on its way through the rows of a list."""

    #: How long one request works (seconds); refusals that are told in words, the others are counted.
    SECONDS: ClassVar[float] = 4.0
    TOLD: ClassVar[int] = 10
    #: Counted no further than this when the number is named.
    MOST: ClassVar[int]
    template: ClassVar[str]

    #: Whether it ends something: its button is red.
    ends = False

    def __init__(self, page: ServiceAdmin[Any], request: HttpRequest, title: Any, back: str) -> None:
        self.page, self.request, self.title = page, request, title
        self.back = back  # the list's address

    # --- what each kind of rows has of its own

    @abstractmethod
    def count(self) -> tuple[int, int]:
        """How many are meant, and the newest row at this moment."""

    @abstractmethod
    def part(self, progress: Progress) -> Part: ...

    @abstractmethod
    def do(self, number: int, progress: Progress) -> object:
        """Calls the service for one row."""

    @abstractmethod
    def done_words(self, number: int) -> str: ...

    @abstractmethod
    def refused_words(self, number: int) -> str: ...

    def fields(self) -> list[tuple[str, str]]:
        """What else travels in the form, hidden."""
        return []

    def context(self) -> dict[str, Any]:
        """What the template asks with."""
        return {}

    # --- what they share

    def respond(self) -> HttpResponse:
        """The question, a part of the work, or, at its end, the way back to the list."""
        if "confirmed" not in self.request.POST:
            return self.ask()
        progress = self._read()
        if "stop" not in self.request.POST and self._work(progress):
            return self._show(progress, asking=False)
        self._tell(progress)
        return HttpResponseRedirect(self.back)

    def ask(self) -> HttpResponse:
        total, last = self.count()
        return self._show(Progress(key=uuid.uuid4().hex, last=last, total=total), asking=True)

    def _read(self) -> Progress:
        given = self.request.POST
        numbers = {}
        for name in NUMBERS:
            text = given.get(name, "")
            numbers[name] = int(text) if text.isdecimal() and len(text) < 18 else 0
        told = [text[:500] for text in given.getlist("told")[: self.TOLD]]
        return Progress(key=given.get("key", "")[:64], told=told, **numbers)

    def _work(self, progress: Progress) -> bool:
        """Does the next part; whether something may be left."""
        end = time.monotonic() + self.SECONDS
        part = self.part(progress)
        for number, name in part.rows:
            try:
                self.do(number, progress)
                progress.done += 1
            except self.page.REFUSALS as error:
                progress.refused += 1
                if len(progress.told) < self.TOLD:
                    progress.told.append(f"{name}: {sentences(error)}"[:500])
            progress.place = number
            if time.monotonic() > end:
                return part.more or number != part.rows[-1][0]
        progress.place = part.searched_to or progress.place
        return part.more

    def _show(self, progress: Progress, *, asking: bool) -> HttpResponse:
        context = {
            **self.page.admin_site.each_context(self.request),
            "title": self.title,
            "opts": self.page.opts,
            "media": self.page.media,
            "progress": progress,
            "number": counted(progress.total, self.MOST + 1),
            "asking": asking,
            "ends": self.ends,
            "fields": [*progress.fields(), *self.fields()],
            "back": self.back,
            **self.context(),
        }
        return TemplateResponse(self.request, self.template, context)

    def _tell(self, progress: Progress) -> None:
        if progress.done:
            messages.success(self.request, self.done_words(progress.done))
        if progress.refused:
            told = " ".join([self.refused_words(progress.refused), *progress.told])
            messages.error(self.request, told + (" …" if progress.refused > len(progress.told) else ""))
        if not progress.handled:
            messages.info(self.request, _("Nothing was done."))

    def worded(self, text: str, number: int) -> str:
        """The text with the verb and the number filled in."""
        return text % {"verb": self.title, "number": number_format(number)}
