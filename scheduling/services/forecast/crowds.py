"""Many runs in one minute: who is warned, and what could be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from django.utils.translation import ngettext

from scheduling import triggers
from scheduling.models import Task
from scheduling.services.forecast.values import Forecast

#: Others in the same minute that a person is warned of.
WARNED = 20


@dataclass(frozen=True, slots=True)
class Crowd:
    """A minute in which a schedule runs together with many others."""

    at: datetime
    others: int
    zone: tzinfo  # the schedule's
    #: The minute of the hour that is emptiest at the schedule's times, and others in it; None: it has no single minute.
    free_minute: int | None = None
    free_minute_others: int = 0

    def __str__(self) -> str:
        text = ngettext(
            "%(time)s is in the same minute as %(count)d other run.",
            "%(time)s is in the same minute as %(count)d other runs.",
            self.others,
        )
        local = self.at.astimezone(self.zone)
        return text % {"time": f"{local:%Y-%m-%d %H:%M} {local.tzname()}", "count": self.others}


def crowd_of(task: Task, times: Sequence[datetime], forecast: Forecast) -> Crowd | None:
    """The first of a task's times that falls into a full minute; its own runs of now do not count."""
    share = forecast.shares.get(task.pk or 0)

    def others(number: int) -> int:
        own = share.runs(number, number + 1) if share is not None else 0
        return forecast.total.starts[number] - own

    known = [(at, number) for at in times if 0 <= (number := forecast.number(at)) < forecast.count]
    full = next(((at, number) for at, number in known if others(number) >= WARNED), None)
    if full is None:
        return None
    zone = triggers.zone(task.time_zone)
    at, number = full
    said = {each.astimezone(zone).minute for each, _number in known}
    if task.trigger != "cron" or len(said) > 1:
        return Crowd(at, others(number), zone)
    (own_minute,) = said

    def fullest(minute: int) -> int:
        """Others that it would meet, at the worst of the times, if it ran at that minute of the same hours."""
        moved = (number - own_minute + minute for _at, number in known)
        return max((others(each) for each in moved if 0 <= each < forecast.count), default=0)

    free = min(range(60), key=lambda minute: (fullest(minute), abs(minute - own_minute)))
    return Crowd(at, others(number), zone, free, fullest(free))
