"""The alarm of a request: looked for once, however many parts of the page want to know."""

from __future__ import annotations

from django.http import HttpRequest

from scheduling import clock
from scheduling.services import health


def alarm_of(request: HttpRequest, *, detailed: bool = False) -> health.Alarm:
    """``detailed``: with the nodes' functions; to be said by who asks first, which is the view."""
    found: health.Alarm | None = getattr(request, "scheduling_alarm", None)
    if found is None:
        found = health.alarm(clock.now(), detailed=detailed)
        request.scheduling_alarm = found  # type: ignore[attr-defined]
    return found
