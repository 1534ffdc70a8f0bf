"""Arguments that speak of a schedule, stored or not, as the form of a task has them."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from scheduling import triggers
from scheduling.management.arguments import mapping
from scheduling.models import Calendar, Task
from scheduling.words import did_you_mean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", help=", ".join(triggers.TRIGGERS))
    parser.add_argument("--params", metavar="JSON", help=_("The trigger's parameters."))
    parser.add_argument("--cron", metavar="EXPRESSION", help=_("Short for a cron trigger."))
    parser.add_argument("--dialect", default="unix", help=_("Of --cron: unix or quartz."))
    parser.add_argument("--timezone", help=_("Default: UTC, or that of a stored task."))
    parser.add_argument("--start", metavar="TIME", help=_("No run before; without an offset in the zone."))
    parser.add_argument("--end", metavar="TIME", help=_("No run after; without an offset in the zone."))
    parser.add_argument("--max-runs", type=int, metavar="N")
    parser.add_argument("--calendar", metavar="KEY", help=_("The calendar that it keeps to."))
    parser.add_argument("--calendar-policy", choices=triggers.CALENDAR_POLICIES)
    parser.add_argument("--spread", type=int, metavar="SECONDS")
    parser.add_argument(
        "--gap", choices=triggers.GAP_POLICIES, help=_("Of a time that a clock change skips.")
    )
    parser.add_argument("--overlap", choices=triggers.FOLD_POLICIES, help=_("Of a time that comes twice."))


def values(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a task that the arguments speak of. Raises CommandError."""
    kind, cron, params = options["kind"], options["cron"], options["params"]
    if cron is not None and params is not None:
        raise CommandError(_("Give either --params or --cron."))
    if cron is not None and kind not in (None, "cron"):
        raise CommandError(_("--cron: goes with the kind cron only."))
    if kind is not None and cron is None and params is None:
        raise CommandError(_("--params: needed beside a kind."))
    found: dict[str, Any] = {
        "time_zone": options["timezone"],
        "start_at": options["start"],
        "end_at": options["end"],
        "max_runs": options["max_runs"],
        "calendar": _calendar(options["calendar"]),
        "calendar_policy": options["calendar_policy"],
        "spread_seconds": options["spread"],
        "clock_gap": options["gap"],
        "clock_overlap": options["overlap"],
    }
    if cron is not None:
        found |= {"trigger": "cron", "trigger_params": {"expression": cron, "dialect": options["dialect"]}}
    elif params is not None:
        found |= {"trigger": kind or "cron", "trigger_params": mapping("--params", params)}
    return {name: value for name, value in found.items() if value is not None}


def _calendar(key: str | None) -> Calendar | None:
    if key is None:
        return None
    found = Calendar.objects.filter(key=key).first()
    if found is None:
        known = list(Calendar.objects.order_by("key").values_list("key", flat=True)[:2_000])
        raise CommandError(_("There is no calendar %(key)r.") % {"key": key} + did_you_mean(key, known))
    return found


def of_stored(task: Task, options: dict[str, Any]) -> dict[str, Any]:
    """The same as a change of a stored task; parameters without a kind are of the task's own kind."""
    found = values(options)
    if options["params"] is not None and options["kind"] is None:
        found["trigger"] = task.trigger
    return found
