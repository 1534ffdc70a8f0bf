"""Verbs of queues: ``manage.py queue pause NAME…``."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.utils.translation import gettext as _

from scheduling.management.verbs import VerbCommand
from scheduling.services import queues


class Command(VerbCommand):
    help = _("Lists queues, and pauses and resumes them.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the queues that a task or a live node names, and those that are paused."),
        "pause": _("Nothing of the queues starts any more, whoever asked for it; what runs goes on."),
        "resume": _("Let the queues go on."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb != "list":
            parser.add_argument("names", nargs="+", metavar="NAME")

    def verb_list(self, options: dict[str, Any]) -> None:
        for queue in queues.all_queues():
            paused_at = queue.paused.paused_at if queue.paused else None
            row = {
                "name": queue.name,
                "nodes": queue.nodes,
                "paused_at": paused_at,
                "reason": queue.paused.reason if queue.paused else "",
                "has_queued": queue.has_queued,
            }
            state = _("paused") if queue.paused else _("active")
            text = f"{queue.name:<50} {state:<10} {queue.nodes} {row['reason']}".rstrip()
            self.stdout.write(self.show(row, text, options))

    def verb_pause(self, options: dict[str, Any]) -> None:
        def work(name: str) -> str:
            paused = queues.pause(name, actor=self.actor(options))
            return self.show({"name": name, "paused_at": paused.paused_at}, f"{name}: {_('paused')}", options)

        self.each(options["names"], work)

    def verb_resume(self, options: dict[str, Any]) -> None:
        def work(name: str) -> str:
            queues.resume(name, actor=self.actor(options))
            return self.show({"name": name, "paused_at": None}, f"{name}: {_('active')}", options)

        self.each(options["names"], work)
