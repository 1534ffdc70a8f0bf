"""Lists queues, pauses one, lets one go on."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling.exceptions import Refused
from scheduling.services import queues
from scheduling.services.actor import Actor


class Command(BaseCommand):
    help = _("Lists the queues; pauses one, or lets one go on.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_mutually_exclusive_group()
        verbs.add_argument("--pause", metavar="QUEUE", help=_("Nothing of it starts any more."))
        verbs.add_argument("--resume", metavar="QUEUE", help=_("It goes on."))
        parser.add_argument("--reason", default="", help=_("Why it is paused."))

    def handle(self, **options: Any) -> None:
        actor = Actor(source="command", reason=options["reason"])
        try:
            if options["pause"]:
                queues.pause(options["pause"], actor=actor)
            elif options["resume"]:
                queues.resume(options["resume"], actor=actor)
        except ValidationError as error:
            raise CommandError(f"--pause: {options['pause']!r}: {' '.join(error.messages)}") from error
        except Refused as error:
            raise CommandError(str(error)) from error
        for queue in queues.all_queues():
            nodes = _("%d nodes") % queue.nodes
            paused = queue.paused
            said = _("paused since %s") % paused.paused_at.isoformat(timespec="seconds") if paused else ""
            why = f" ({paused.reason})" if paused and paused.reason else ""
            self.stdout.write(f"{queue.name:<30} {nodes:<10} {said}{why}".rstrip())
