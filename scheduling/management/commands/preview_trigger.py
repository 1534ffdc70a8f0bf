"""Says what a schedule means and when it runs next."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.utils import DatabaseError
from django.utils.translation import gettext as _

from scheduling import clock, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.management import schedules
from scheduling.management.arguments import bounded, task_by_key
from scheduling.models import Task
from scheduling.services import forecast, previews
from scheduling.triggers.moments import YEARS

MOST = 1_000


class Command(BaseCommand):
    help = _("Says what a schedule means and when it runs next, as the scheduler itself computes it.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        schedules.add_arguments(parser)
        parser.add_argument("--task", metavar="KEY", help=_("A stored task: what is not said is its own."))
        parser.add_argument("--key", help=_("The key of the task to be: H and the spread come from it."))
        parser.add_argument("--after", help=_("ISO 8601; default: now."))
        parser.add_argument("--count", type=int, default=10)
        parser.add_argument(
            "--stdin",
            action="store_true",
            help=_("Read one JSON object a line, answer with one JSON object a line."),
        )

    def handle(self, **options: Any) -> None:
        if options["stdin"]:
            for text in sys.stdin:
                if text.strip():
                    self.stdout.write(json.dumps(self._answer(text), ensure_ascii=False))
                    self.stdout.flush()
            return
        bounded("--count", options["count"], 1, MOST)
        stored = task_by_key(options["task"]) if options["task"] else None
        values = self._values(options, stored)
        after = self._moment(options["after"])
        try:
            # A schedule that is not stored is taken to begin at the moment that is asked about.
            task = previews.as_asked(stored, values, after if stored is None else clock.now())
            seen = previews.explain(task, after=after, count=options["count"], crowded_by=forecast.of_hours())
        except InvalidTrigger as error:
            raise CommandError(str(error)) from error
        zone = triggers.zone(task.time_zone)
        for code, words in seen.descriptions.items():
            self.stdout.write(f"{code}: {words}")
        for at in seen.preview.times:
            self.stdout.write(f"  {at.astimezone(zone).isoformat(sep=' ')}   {at.isoformat()}")
        for change in seen.preview.clock_changes:
            self.stdout.write(f"  ! {change.before.date()}  {change.effect}  {change.text}")
        for text in seen.warnings:
            self.stdout.write(f"  ! {text}")

    def _forecast(self) -> forecast.Forecast | None:
        """What else will run; a schedule can be looked at without a database, too."""
        try:
            return forecast.of_hours()
        except DatabaseError as error:
            text = _("How many others run in the same minutes is not known: %(cause)s")
            self.stderr.write(text % {"cause": str(error).strip()})
            return None

    def _values(self, options: dict[str, Any], stored: Task | None) -> dict[str, Any]:
        if stored is not None:
            found = schedules.of_stored(stored, options)
        elif options["cron"] is None and options["params"] is None:
            raise CommandError(_("Give either --params or --cron."))
        else:
            found = {"time_zone": "UTC"} | schedules.values(options)
        return found | ({"key": options["key"]} if options["key"] else {})

    def _answer(self, text: str) -> dict[str, Any]:
        try:
            asked = json.loads(text)
            if not isinstance(asked, dict):
                return {"error": _("A JSON object is needed.")}
            count = asked.get("count", 10)
            if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
                return {"error": _("count: a whole number from 1 to %(most)d is needed.") % {"most": MOST}}
            trigger = triggers.build(
                asked.get("type", "cron"), asked.get("params", {}), zone=asked.get("timezone", "UTC")
            )
            found = triggers.preview_of(trigger, after=self._moment(asked.get("after")), count=count)
        except InvalidTrigger as error:
            return {"error": str(error)}
        except (CommandError, ValueError, OverflowError, RecursionError) as error:
            return {"error": str(error)}
        return {"times": [at.isoformat() for at in found.times], "description": found.description}

    def _moment(self, text: Any) -> datetime:
        if text is None:
            return clock.now()
        try:
            moment = datetime.fromisoformat(text)
        except (TypeError, ValueError) as error:
            example = "2026-11-21T03:00:00Z"
            raise CommandError(
                _("--after: ISO 8601 is needed, such as %(example)s.") % {"example": example}
            ) from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment.year not in YEARS:
            text = _("--after: a year from %(first)d to %(last)d is needed.")
            raise CommandError(text % {"first": YEARS[0], "last": YEARS[-1]})
        return moment
