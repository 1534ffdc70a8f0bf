"""From a task's fields to its trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

from . import moments
from .base import Terms, Trigger
from .calendars import POLICIES, CalendarRules
from .inputs import not_known, quoted
from .kinds import kind_named
from .layers import layered
from .wallclock import FOLD_POLICIES, GAP_POLICIES
from .zones import Timeline, timeline

#: In seconds.
MOST_SPREAD = 86_400


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
    spread_seconds: int = 0,
    calendar: CalendarRules | None = None,
    calendar_policy: str = "skip",
) -> Trigger:
    """The trigger that a task's schedule means.

    Start and end are inclusive; naive ones are in the zone. `spread_key` (the task's key) decides about the
    values of `H` and the spread. Raises InvalidTrigger whose ``errors`` are keyed by `trigger`,
    `trigger_params`, `time_zone`, `start_at`, `end_at`, `clock_gap`, `clock_overlap`, `anchor_at`,
    `spread_seconds` or `calendar_policy`, and name all wrong fields at once (the parameters
    are read when the rest is right).
    """
    errors: dict[str, list[str]] = {}
    try:
        chosen = kind_named(kind)
    except InvalidTrigger as problem:
        errors.update(problem.errors)
    _check_choice(errors, "clock_gap", gap, GAP_POLICIES)
    _check_choice(errors, "clock_overlap", fold, FOLD_POLICIES)
    _check_choice(errors, "calendar_policy", calendar_policy, POLICIES)
    _check_delay(errors, "spread_seconds", spread_seconds)
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
    if calendar is None and not spread_seconds:
        trigger = chosen.from_params(params, terms)
    else:
        bare = replace(terms, start_at=None, end_at=None, anchor_at=terms.anchor_at or start)
        trigger = layered(chosen.from_params(params, bare), terms, calendar, calendar_policy, spread_seconds)
    trigger.check_bounds()
    return trigger


def _check_choice(errors: dict[str, list[str]], field: str, value: object, allowed: tuple[str, ...]) -> None:
    if isinstance(value, str) and value in allowed:
        return
    errors[field] = [not_known(value, allowed)]


def _check_delay(errors: dict[str, list[str]], field: str, value: object) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_SPREAD:
        return
    text = _("%(value)s is not a whole number of seconds from 0 to %(most)d.")
    errors[field] = [text % {"value": quoted(value), "most": MOST_SPREAD}]
