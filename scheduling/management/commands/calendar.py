"""Calendars: ``manage.py calendar show KEY --year 2027``."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.exceptions import InvalidTrigger
from scheduling.management.arguments import bounded
from scheduling.management.verbs import VerbCommand
from scheduling.models import Calendar
from scheduling.services import calendars
from scheduling.words import did_you_mean


def calendar_by_key(key: str) -> Calendar:
    """The calendar; raises CommandError that names the nearest keys."""
    calendar = Calendar.objects.filter(key=key).first()
    if calendar is None:
        keys = list(Calendar.objects.values_list("key", flat=True)[:2_000])
        raise CommandError(_("There is no calendar %(key)r.") % {"key": key} + did_you_mean(key, keys))
    return calendar


class Command(VerbCommand):
    help = _("Lists calendars, says which days of a year one marks, and deletes those that no task keeps to.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the calendars with their zone and country."),
        "show": _("Say which days of a year are marked, worked all the same, or have a window."),
        "delete": _("Remove calendars that no task keeps to."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb == "show":
            parser.add_argument("key", metavar="KEY")
            parser.add_argument("--year", type=int, help=_("The current one unless given."))
        elif verb == "delete":
            parser.add_argument("keys", nargs="+", metavar="KEY")

    def verb_list(self, options: dict[str, Any]) -> None:
        for calendar in Calendar.objects.order_by("key"):
            row = {name: getattr(calendar, name) for name in ("key", "name", "time_zone", "country")}
            words = (
                f"{calendar.key:<40} {calendar.country:<6} {calendar.time_zone:<25} {calendar.name}".rstrip()
            )
            self.stdout.write(self.show(row, words, options))

    def verb_show(self, options: dict[str, Any]) -> None:
        calendar = calendar_by_key(options["key"])
        year = clock.now().year if options["year"] is None else options["year"]
        bounded("--year", year, calendars.YEARS[0], calendars.YEARS[-1])
        try:
            days = calendars.year_of(calendar, year)
        except InvalidTrigger as error:
            raise CommandError(str(error)) from error
        for day in days:
            row = {"date": day.date, "kind": day.kind, "name": day.name, "windows": day.windows}
            said = "; ".join(filter(None, [day.name, *day.windows]))
            words = f"{day.date:%Y-%m-%d}  {day.kind:<7} {said}".rstrip()
            self.stdout.write(self.show(row, words, options))

    def verb_delete(self, options: dict[str, Any]) -> None:
        def work(key: str) -> str:
            calendars.delete(calendar_by_key(key), actor=self.actor(options))
            return self.show({"key": key, "deleted": True}, _("%(key)s deleted") % {"key": key}, options)

        self.each(options["keys"], work)
