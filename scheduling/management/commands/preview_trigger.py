"""Says what a schedule means and when it runs next."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling import clock, triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.management.arguments import bounded, mapping
from scheduling.triggers.moments import YEARS

MOST = 1_000


class Command(BaseCommand):
    help = _("Says what a schedule means and when it runs next, as the scheduler itself computes it.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("kind", nargs="?", default="cron", help=", ".join(triggers.TRIGGERS))
        parser.add_argument("--params", metavar="JSON", help=_("The trigger's parameters."))
        parser.add_argument("--cron", metavar="EXPRESSION", help=_("Short for a cron trigger."))
        parser.add_argument("--dialect", default="unix", help=_("Of --cron: unix or quartz."))
        parser.add_argument("--timezone", default="UTC")
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
        if (options["params"] is None) == (options["cron"] is None):
            raise CommandError(_("Give either --params or --cron."))
        if options["cron"] is not None and options["kind"] != "cron":
            raise CommandError(_("--cron: goes with the kind cron only."))
        bounded("--count", options["count"], 1, MOST)
        if options["cron"] is not None:
            params = {"expression": options["cron"], "dialect": options["dialect"]}
        else:
            params = mapping("--params", options["params"])
        try:
            found = self._preview(
                options["kind"], params, options["timezone"], options["after"], options["count"]
            )
        except InvalidTrigger as error:
            raise CommandError(str(error)) from error
        self.stdout.write(found.description)
        zone = triggers.zone(options["timezone"])
        for at in found.times:
            self.stdout.write(f"  {at.astimezone(zone).isoformat(sep=' ')}   {at.isoformat()}")
        for text in [*(change.text for change in found.clock_changes), *found.warnings]:
            self.stdout.write(f"  ! {text}")

    def _answer(self, text: str) -> dict[str, Any]:
        try:
            asked = json.loads(text)
            if not isinstance(asked, dict):
                return {"error": _("A JSON object is needed.")}
            count = asked.get("count", 10)
            if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
                return {"error": _("count: a whole number from 1 to %(most)d is needed.") % {"most": MOST}}
            params, zone = asked.get("params", {}), asked.get("timezone", "UTC")
            found = self._preview(asked.get("type", "cron"), params, zone, asked.get("after"), count)
        except InvalidTrigger as error:
            return {"error": str(error)}
        except (CommandError, ValueError, OverflowError, RecursionError) as error:
            return {"error": str(error)}
        return {"times": [at.isoformat() for at in found.times], "description": found.description}

    def _preview(self, kind: Any, params: Any, zone: Any, after: Any, count: int) -> triggers.Preview:
        return triggers.preview(kind, params, zone=zone, after=self._moment(after), count=count)

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
