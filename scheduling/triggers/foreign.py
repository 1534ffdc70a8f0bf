"""Triggers that were written for APScheduler, as triggers of ours.

They can only be asked for the next time, and some draw lots; so that backwards steps exist, too, and so that the
same question has the same answer, every answer is asked for without a history.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from apscheduler.triggers.base import BaseTrigger
from django.utils.translation import gettext as _

from .base import MICROSECOND, Terms, Trigger, later
from .inputs import mapping, quoted, refusal

#: Looking back, windows of this length and then longer ones are walked through.
FIRST_WINDOW = timedelta(hours=1)
LONGEST_WINDOW = timedelta(days=366 * 5)
MOST_STEPS = 10_000


class ForeignTrigger(Trigger):
    """One of APScheduler's triggers. Subclassed for each by `adapted`."""

    source: ClassVar[Any]

    __slots__ = ("inner",)

    def __init__(self, inner: BaseTrigger, terms: Terms) -> None:
        self.inner = inner
        self.terms = terms

    @classmethod
    def from_params(cls, params: Mapping[str, object], terms: Terms) -> Self:
        """Params: the arguments of the class; `timezone` is the task's unless it is given."""
        given = mapping(params, cls.keys)
        if "timezone" in cls.keys:
            given.setdefault("timezone", terms.timeline.tz)
        try:
            return cls(cls.source(**given), terms)
        except Exception as error:  # a third party's code says in its own way what it does not take
            text = _("The trigger %(kind)s does not take these parameters: %(cause)s")
            raise refusal(
                text % {"kind": cls.kind, "cause": quoted(f"{type(error).__name__}: {error}", 200)}
            ) from error

    def at_or_after(self, instant: datetime) -> datetime | None:
        found = self.inner.get_next_fire_time(None, instant)
        if found is None:
            return None
        if not isinstance(found, datetime) or found.tzinfo is None:
            raise TypeError(f"{self.kind} answered {found!r}, which is no aware datetime")
        found = found.astimezone(UTC)
        return found if found >= instant else None

    def at_or_before(self, instant: datetime) -> datetime | None:
        window = FIRST_WINDOW
        while window <= LONGEST_WINDOW:
            latest = None
            found = self.at_or_after(later(instant, -window))
            for _step in range(MOST_STEPS):
                if found is None or found > instant:
                    break
                latest = found
                found = self.at_or_after(found + MICROSECOND)
            if latest is not None:
                return latest
            window *= 8
        return None

    def describe(self) -> str:
        return _("By %(trigger)s") % {"trigger": str(self.inner)}


def adapted(name: str, source: type[BaseTrigger]) -> type[ForeignTrigger]:
    """A kind of ours that asks a class of APScheduler's kind."""
    parameters = list(inspect.signature(source.__init__).parameters.values())[1:]
    keys = tuple(
        each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    )
    return type(
        source.__name__,
        (ForeignTrigger,),
        {
            "kind": name,
            "label": name,
            "keys": keys,
            "source": source,
            "__slots__": (),
            "__module__": source.__module__,
        },
    )
