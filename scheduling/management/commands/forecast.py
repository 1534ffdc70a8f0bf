"""Says what the schedules will bring."""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.translation import gettext as _

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger
from scheduling.management.arguments import bounded, moment
from scheduling.services import forecast
from scheduling.services.forecast.values import KINDS

BAR = 40


class Command(BaseCommand):
    help = _(
        "Says how many runs begin and how many seats are busy in the coming day or week, where many runs begin in "
        "one minute, and with --at which tasks those are."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--hours", type=int, choices=forecast.HOURS, default=forecast.DAY)
        parser.add_argument("--step", type=int, default=60, metavar="MINUTES", help=_("Minutes in a line."))
        parser.add_argument("--of", choices=KINDS, default="total", help=_("What the numbers are of."))
        parser.add_argument("--name", default="", help=_("Of the queue, pool or database host."))
        parser.add_argument("--at", metavar="TIME", help=_("Lists the tasks that have runs from then on."))
        parser.add_argument("--minutes", type=int, default=1, help=_("With --at: how long from then."))
        parser.add_argument("--timezone", default=settings.JOBSITE_TASK_TIME_ZONE)
        parser.add_argument("--json", action="store_true", help=_("One JSON object, as the API has it."))

    def handle(self, **options: Any) -> None:
        bounded("--step", options["step"], 1, forecast.WEEK * 60)
        bounded("--minutes", options["minutes"], 1, forecast.WEEK * 60)
        at = moment("--at", options["at"])
        try:
            zone = triggers.zone(options["timezone"])
        except InvalidTrigger as error:
            raise CommandError(f"--timezone: {error}") from error
        found = forecast.of_hours(options["hours"])
        if at is not None:
            first, last = (found.number(each) for each in (at, at + timedelta(minutes=options["minutes"])))
            for share, runs in found.within(first, last, options["of"], options["name"]):
                row = {"key": share.key, "queue": share.queue, "pool": share.pool, "runs": runs}
                words = f"{runs:>6}  {share.key:<40} {share.queue:<15} {share.pool}".rstrip()
                self.stdout.write(json.dumps(row, ensure_ascii=False) if options["json"] else words)
            return
        if options["json"]:
            values = forecast.summary(found, step=options["step"])
            self.stdout.write(json.dumps(values, ensure_ascii=False, cls=DjangoJSONEncoder))
            return
        series = found.series(options["of"], options["name"])
        if series is None:
            raise CommandError(_("--name: %(name)r has no runs.") % {"name": options["name"]})
        most = 1
        lines = []
        for first in range(0, found.count, options["step"]):
            minutes = slice(first, first + options["step"])
            starts = sum(series.starts[minutes])
            most = max(most, starts)
            lines.append((found.begin + timedelta(minutes=first), starts, max(series.busy_p95[minutes])))
        for begin, starts, busy in lines:
            bar = "#" * round(BAR * starts / most)
            self.stdout.write(
                f"{begin.astimezone(zone):%Y-%m-%d %H:%M}  {starts:>7} {busy:>8.1f}  {bar}".rstrip()
            )
        for kind, each in found.every_series():
            self.stdout.write(
                f"{kind:<6} {each.name:<30} {each.runs:>7} {each.peak:>8.1f}  {self._seats(each)}".rstrip()
            )
        for collision in found.collisions:
            keys = ", ".join(collision.tasks) + (f" … +{collision.others}" if collision.others else "")
            self.stdout.write(
                f"! {collision.at.astimezone(zone):%Y-%m-%d %H:%M}  {collision.runs:>5}  {keys}"
            )
        figures = {"tasks": found.tasks, "unmeasured": found.unmeasured, "broken": len(found.broken)}
        text = _(
            "%(tasks)d tasks; %(unmeasured)d without a measured duration; %(broken)d that cannot be computed."
        )
        self.stdout.write(text % figures)

    def _seats(self, series: forecast.Series) -> str:
        if series.capacity is None:
            return ""
        words = {"capacity": series.capacity, "minutes": series.minutes_over}
        return _("%(capacity)d seats, too few in %(minutes)d minutes") % words
