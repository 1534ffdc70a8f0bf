"""The alarm of a request: looked for once, however many parts of the page want to know."""

from __future__ import annotations

from django.http import HttpRequest

from scheduling import clock
from scheduling.services import health


def alarm_of(request: HttpRequest, *, functions: bool = False) -> health.Alarm:
    """``functions``: the caller wants to know what the nodes' functions are; to be said by who asks first."""
    found: health.Alarm | None = getattr(request, "scheduling_alarm", None)
    if found is None:
        found = health.alarm(clock.now(), functions=functions)
        request.scheduling_alarm = found  # type: ignore[attr-defined]
    return found
