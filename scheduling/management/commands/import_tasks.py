"""Brings schedules over from other programs: first the differences, then, if asked to, the tasks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DatabaseError, load_backend
from django.utils.translation import gettext as _

from jobsite.environment import database_from
from scheduling.exceptions import InvalidTrigger
from scheduling.services import imports
from scheduling.services.actor import Actor

KINDS = ("crontab", "celery-beat", "apscheduler", "django-apscheduler")
#: Crontabs of the system, whose lines name a user.
SYSTEM_FILE, SYSTEM = Path("/etc/crontab"), Path("/etc/cron.d")
MOST_BYTES = 4 * 1024 * 1024


class Command(BaseCommand):
    help = _(
        "Reads the schedules of a crontab file, django-celery-beat, APScheduler or django-apscheduler, compares a "
        "year of their times with ours, and writes them as tasks with --write."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument(
            "source", help=_("A file; or a database URL, such as sqlite:////path/to/db.sqlite3.")
        )
        parser.add_argument("--timezone", default=settings.JOBSITE_TASK_TIME_ZONE)
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="THERE=HERE",
            help=_("Which function stands for theirs."),
        )
        parser.add_argument(
            "--function",
            default="",
            help=_("Of a crontab: the function that takes the commands; none: run_command."),
        )
        parser.add_argument(
            "--parameter", default="command", help=_("Of a crontab: its parameter for the command.")
        )
        parser.add_argument(
            "--users",
            action="store_true",
            help=_(
                "Of a crontab: a user stands before the command, as always in /etc/crontab and /etc/cron.d."
            ),
        )
        parser.add_argument(
            "--table", default="apscheduler_jobs", help=_("Of APScheduler: the name of its table.")
        )
        parser.add_argument("--write", action="store_true", help=_("Store what has no problem."))
        parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))

    def handle(self, **options: Any) -> None:
        try:
            found = self._candidates(options)
        except (InvalidTrigger, OSError, UnicodeDecodeError, DatabaseError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        rows = [self._row(candidate) for candidate in found]
        refused: dict[str, str] = {}
        if options["write"]:
            _stored, left = imports.write(
                found, actor=Actor(source="command", reason=f"import_tasks {options['kind']}")
            )
            refused = {candidate.key: why for candidate, why in left}
        for row in rows:
            row["written"] = options["write"] and row["key"] not in refused
            row["refused"] = refused.get(row["key"], "")
            self._say(row, as_json=options["json"])
        if not options["json"]:
            self._sum_up(rows, wrote=options["write"])

    def _candidates(self, options: dict[str, Any]) -> list[imports.Candidate]:
        zone = options["timezone"]
        if options["kind"] == "crontab":
            file = Path(options["source"])
            if file.stat().st_size > MOST_BYTES:
                raise CommandError(
                    _("The file is too large: %(most)d bytes at the most.") % {"most": MOST_BYTES}
                )
            return imports.from_crontab(
                file.read_text(encoding="utf-8"), zone=zone, function=options["function"],
                parameter=options["parameter"],
                has_users=options["users"] or SYSTEM in file.resolve().parents or file.resolve() == SYSTEM_FILE,
            )  # fmt: skip
        functions = dict(_pair(text) for text in options["map"])
        with _connected(options["source"]) as connection:
            if options["kind"] == "celery-beat":
                return imports.from_celery_beat(connection, functions, zone=zone)
            if options["kind"] == "apscheduler":
                return imports.from_apscheduler(connection, functions, zone=zone, table=options["table"])
            return imports.from_django_apscheduler(connection, functions, zone=zone)

    def _row(self, candidate: imports.Candidate) -> dict[str, Any]:
        row: dict[str, Any] = {
            "key": candidate.key,
            "source": candidate.source,
            "trigger": candidate.values.get("trigger", ""),
            "trigger_params": candidate.values.get("trigger_params", {}),
            "time_zone": candidate.values.get("time_zone", ""),
            "function": candidate.values.get("function", ""),
            "problems": candidate.problems,
            "notes": candidate.notes,
            "compared": None,
        }
        if not row["trigger"] or candidate.meaning is None:
            return row
        try:
            found = imports.compare(candidate)
        except InvalidTrigger as error:
            candidate.problems.append(str(error))
            return row
        row["compared"] = {
            "after": found.after.isoformat(),
            "until": found.until.isoformat(),
            "same": found.same,
            "only_there": [at.isoformat() for at in found.only_there[:20]],
            "only_here": [at.isoformat() for at in found.only_here[:20]],
            "only_there_count": len(found.only_there),
            "only_here_count": len(found.only_here),
        }
        return row

    def _say(self, row: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(row, ensure_ascii=False, default=str))
            return
        self.stdout.write(
            f"{row['key']} ({row['source']}): {row['trigger']} {row['trigger_params']} {row['time_zone']}"
        )
        compared = row["compared"]
        if compared:
            words = {
                "same": compared["same"], "there": compared["only_there_count"], "here": compared["only_here_count"],
                "until": compared["until"][:10],
            }  # fmt: skip
            text = _("until %(until)s: %(same)d times alike, %(there)d only there, %(here)d only here")
            self.stdout.write("  " + text % words)
            for mark, name in (("-", "only_there"), ("+", "only_here")):
                for at in compared[name]:
                    self.stdout.write(f"  {mark} {at}")
        for text in (*row["problems"], *row["notes"], row["refused"]):
            if text:
                self.stdout.write(f"  ! {text}")

    def _sum_up(self, rows: list[dict[str, Any]], *, wrote: bool) -> None:
        differing = sum(
            bool(
                row["compared"]
                and (row["compared"]["only_there_count"] or row["compared"]["only_here_count"])
            )
            for row in rows
        )
        words = {
            "all": len(rows), "differing": differing, "problems": sum(bool(row["problems"]) for row in rows),
            "written": sum(row["written"] for row in rows),
        }  # fmt: skip
        text = _(
            "%(all)d entries: %(differing)d with other times here, %(problems)d with problems, %(written)d written."
        )
        self.stdout.write(text % words)
        if not wrote:
            self.stdout.write(_("Nothing was written: repeat with --write."))


def _pair(text: str) -> tuple[str, str]:
    there, equals, here = text.rpartition("=")
    if not equals or not there or not here:
        raise CommandError(_("--map: THERE=HERE is needed, not %(value)r.") % {"value": text})
    return there, here


@contextmanager
def _connected(url: str) -> Iterator[BaseDatabaseWrapper]:
    """A connection to another database, or to our own if the URL is `default`."""
    if url == "default":
        yield connections["default"]
        return
    if "://" not in url:
        url = f"sqlite:///{Path(url).resolve()}"
    values = database_from("source", url)
    if values["ENGINE"].endswith("sqlite3") and not Path(str(values["NAME"])).is_file():
        raise CommandError(_("There is no file %(name)s.") % {"name": values["NAME"]})
    # Not registered among the connections: nothing else can use it by its name.
    settings_dict = connections["default"].settings_dict | {"ATOMIC_REQUESTS": False} | values
    backend = load_backend(values["ENGINE"]).DatabaseWrapper(settings_dict, DEFAULT_DB_ALIAS)
    try:
        yield backend
    finally:
        backend.close()
