"""The occurrence engine: what schedules mean, in one place for preview and scheduler alike.

A new kind of trigger is a Trigger subclass and a line in TRIGGERS. Nothing here knows of models.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from . import moments
from .base import ClockEffect, Terms, Trigger
from .cron import CronTrigger
from .date import DateTrigger
from .inputs import did_you_mean, quoted
from .interval import IntervalTrigger
from .preview import ClockChange, Preview, preview_of
from .wallclock import FOLD_POLICIES, GAP_POLICIES
from .zones import Timeline, timeline, zone

__all__ = [
    "FOLD_POLICIES",
    "GAP_POLICIES",
    "TRIGGERS",
    "ClockChange",
    "ClockEffect",
    "InvalidTrigger",
    "Preview",
    "Trigger",
    "build",
    "choices",
    "preview",
    "timeline",
    "zone",
]

TRIGGERS: dict[str, type[Trigger]] = {
    "cron": CronTrigger,
    "interval": IntervalTrigger,
    "date": DateTrigger,
}


def choices() -> list[tuple[str, Any]]:
    """The kinds for a model field."""
    return [(kind, trigger.label) for kind, trigger in TRIGGERS.items()]


def build(
    kind: str,
    params: Mapping[str, object],
    *,
    zone: str = "UTC",
    start_at: datetime | str | None = None,
    end_at: datetime | str | None = None,
    gap: str = "run_after",
    fold: str = "first",
    anchor_at: datetime | str | None = None,
    spread_key: str = "",
) -> Trigger:
    """The trigger that a task's schedule means.

    Start and end are inclusive; naive ones are in the zone. Raises InvalidTrigger whose ``errors`` are
    keyed by `trigger`, `trigger_params`, `time_zone`, `start_at`, `end_at`, `clock_gap`, `clock_overlap`
    or `anchor_at`, and name all wrong fields at once (the parameters are read when the rest is right).
    """
    errors: dict[str, list[str]] = {}
    _check_choice(errors, "trigger", kind, TRIGGERS)
    _check_choice(errors, "clock_gap", gap, GAP_POLICIES)
    _check_choice(errors, "clock_overlap", fold, FOLD_POLICIES)
    bounds: dict[str, datetime | None] = {}
    line: Timeline | None = None
    try:
        line = timeline(zone)
    except InvalidTrigger as problem:
        errors.update(problem.errors)
    if line is not None:
        for name, value in (("start_at", start_at), ("end_at", end_at), ("anchor_at", anchor_at)):
            try:
                bounds[name] = moments.bound(name, value, line)
            except InvalidTrigger as problem:
                errors.update(problem.errors)
    start, end = bounds.get("start_at"), bounds.get("end_at")
    if start is not None and end is not None and end <= start:
        errors["end_at"] = [_("The end must be later than the start.")]
    if errors or line is None:
        raise InvalidTrigger(errors)
    terms = Terms(line, gap, fold, start, end, bounds["anchor_at"], spread_key)
    return TRIGGERS[kind].from_params(params, terms)


def preview(
    kind: str,
    params: Mapping[str, object],
    *,
    zone: str = "UTC",
    start_at: datetime | str | None = None,
    end_at: datetime | str | None = None,
    gap: str = "run_after",
    fold: str = "first",
    anchor_at: datetime | str | None = None,
    spread_key: str = "",
    after: datetime,
    count: int = 10,
) -> Preview:
    """The first ``count`` occurrences later than ``after``, with all there is to say about the schedule.

    Raises InvalidTrigger as `build` does.
    """
    trigger = build(
        kind,
        params,
        zone=zone,
        start_at=start_at,
        end_at=end_at,
        gap=gap,
        fold=fold,
        anchor_at=anchor_at,
        spread_key=spread_key,
    )
    return preview_of(trigger, after=after, count=count)


def _check_choice(
    errors: dict[str, list[str]], field: str, value: object, allowed: Mapping[str, object] | tuple[str, ...]
) -> None:
    if isinstance(value, str) and value in allowed:
        return
    message = _("%(value)s is not known.") % {"value": quoted(value)}
    if isinstance(value, str):
        message += did_you_mean(value, tuple(allowed))
    errors[field] = [message + " " + _("Allowed are %(allowed)s.") % {"allowed": ", ".join(allowed)}]
