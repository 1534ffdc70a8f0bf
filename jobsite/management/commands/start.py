"""``manage.py start``: prepare what is missing, then run web and scheduler together until Ctrl-C."""

from __future__ import annotations

import argparse
import socket
import sys
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import NotSupportedError, OperationalError, connections
from django.utils.translation import gettext as _

from jobsite import __version__, programs, startup
from jobsite.supervisor import Program, StartFailed, Supervisor


def port_number(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(
        _("%(text)r is not a port: 0 to 65535 (0: any that is free).") % {"text": text}
    )


class Command(BaseCommand):
    help = _("Prepares the database, then runs the web pages and the scheduler together until Ctrl-C.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help=_("Address to listen on (default: %(default)s).")
        )
        parser.add_argument(
            "--port", type=port_number, default=8000, help=_("Port to listen on (default: %(default)s).")
        )
        parser.add_argument("--no-web", action="store_true", help=_("Leave out the web pages."))
        parser.add_argument(
            "--no-scheduler",
            action="store_true",
            help=_("Leave out the scheduler; with --no-web: only prepare."),
        )

    def handle(self, *, host: str, port: int, no_web: bool, no_scheduler: bool, **_options: Any) -> None:
        listener = None if no_web else self.listen(host, port)
        try:
            self.prepare()
            running = [programs.web(listener)] if listener else []
            running += [] if no_scheduler else [programs.scheduler()]
            code = self.run_programs(running, listener) if running else 0
        except KeyboardInterrupt:
            code = 130
        except (OperationalError, NotSupportedError) as error:
            raise CommandError(_("The database cannot be used: %(error)s") % {"error": error}) from error
        except StartFailed as error:
            raise CommandError(str(error)) from error
        sys.exit(code)

    def listen(self, host: str, port: int) -> socket.socket:
        """Before anything else: a start that cannot have its port changes nothing."""
        try:
            return programs.listen(host, port)
        except OSError as error:
            if programs.answers(host, port):
                text = _(
                    "Jobsite is running on %(host)s:%(port)d already. For a second one beside it: --port N."
                )
            else:
                text = _(
                    "Cannot listen on %(host)s:%(port)d: %(error)s. Another port is chosen with --port N."
                )
            raise CommandError(text % {"host": host, "port": port, "error": error.strerror}) from error

    def prepare(self) -> None:
        self.say(f"Jobsite {__version__}")
        with startup.alone():
            for label, step in startup.STEPS:
                self.tell(label, step())

    def run_programs(self, running: list[Program], listener: socket.socket | None) -> int:
        supervisor = Supervisor(running, self.say)

        def when_ready() -> None:
            connections.close_all()  # this process asks the database nothing more
            for program in running:
                self.tell(program.name, _("ready, log in %(path)s") % {"path": startup.shown(program.log)})
            self.say(self.welcome(listener))

        code = supervisor.run(when_ready)
        self.say(_("Stopped.") if code == 0 else _("Stopped, but not cleanly: see the logs."))
        return code

    def welcome(self, listener: socket.socket | None) -> str:
        if listener is None:
            return "\n" + _("Jobsite's scheduler is running. Ctrl-C stops it.")
        return "\n" + _("Jobsite is running: %(url)s   Ctrl-C stops it.") % {"url": programs.url_of(listener)}

    def tell(self, label: str, text: str) -> None:
        self.say(f"  {label:<10} {text}")

    def say(self, text: str) -> None:
        with suppress(OSError):  # a terminal that was closed is no reason to leave the programs alone
            self.stdout.write(text)
            self.stdout.flush()
