"""Collections over instances: ``manage.py session list|show|cancel|retry``."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from instances.exceptions import WrongState
from instances.models import SyncRecord, SyncSession
from instances.services import requests, sessions
from scheduling.management.json_rows import execution_row
from scheduling.management.verbs import VerbCommand

MOST_SESSIONS = 1_000
#: Of a shortened id.
LEAST_CHARACTERS = 4


class Command(VerbCommand):
    help = _("Shows collections over instances, cancels what has not begun, and visits again what failed.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List sessions, newest first."),
        "show": _("Show what came of each instance of a session."),
        "cancel": _("Let what is under way end, and begin nothing more."),
        "retry": _("Ask for another visit to what failed."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb == "list":
            parser.add_argument("--category", choices=SyncSession.Category.values)
            parser.add_argument("--status", choices=SyncSession.Status.values)
            parser.add_argument("--limit", type=int, default=50, help=_("Sessions, at most 1000."))
            return
        parser.add_argument("ids", nargs="+", metavar="ID", help=_("A session's id; its first part will do."))
        if verb == "show":
            parser.add_argument("--state", choices=SyncRecord.State.values, help=_("Only such instances."))

    def verb_list(self, options: dict[str, Any]) -> None:
        if not 1 <= options["limit"] <= MOST_SESSIONS:
            raise CommandError(f"--limit: 1–{MOST_SESSIONS}")
        wanted = {name: options[name] for name in ("category", "status") if options[name]}
        for session in SyncSession.objects.filter(**wanted).order_by("-started_at")[: options["limit"]]:
            self.stdout.write(self.told(session, options))

    def verb_show(self, options: dict[str, Any]) -> None:
        def work(name: str) -> str:
            session = _found(name)
            rows = session.records.select_related("instance").order_by("instance__name")
            said = [self.told(session, options)]
            for record in rows.filter(state=options["state"]) if options["state"] else rows:
                known = {
                    "session": str(session.pk),
                    "instance": record.instance.name,
                    "state": record.state,
                    "created": record.created,
                    "updated": record.updated,
                    "unchanged": record.unchanged,
                    "dropped": record.dropped,
                    "error_code": record.error_code,
                    "error": record.error or None,
                    "notes": record.details.get("notes", []),
                }
                words = f"  {record.instance.name:<40} {record.state:<10} {record.error}".rstrip()
                said.append(self.show(known, words, options))
            return "\n".join(said)

        self.each(options["ids"], work)

    def verb_cancel(self, options: dict[str, Any]) -> None:
        def work(name: str) -> str:
            session = _found(name)
            try:
                count = sessions.request_cancel(session)
            except WrongState as error:
                raise CommandError(str(error)) from error
            row = {"session": str(session.pk), "cancelled": count}
            return self.show(
                row, f"{session.pk} {_('%d instances are not visited any more.') % count}", options
            )

        self.each(options["ids"], work)

    def verb_retry(self, options: dict[str, Any]) -> None:
        def work(name: str) -> str:
            execution = requests.retry(_found(name), actor=self.actor(options))
            words = f"#{execution.pk} {execution.state} {execution.detail}".rstrip()
            return self.show(execution_row(execution), words, options)

        self.each(options["ids"], work)

    def told(self, session: SyncSession, options: dict[str, Any]) -> str:
        row = {
            "session": str(session.pk),
            "category": session.category,
            "origin": session.origin,
            "status": session.status,
            "total": session.total,
            "succeeded": session.succeeded,
            "failed": session.failed,
            "skipped": session.skipped,
            "execution": session.execution_id,
            "started_at": session.started_at,
            "finished_at": session.finished_at,
        }
        words = f"{session.pk} {session.started_at:%Y-%m-%d %H:%M:%SZ} {session.category:<8} {session.status:<13} "
        return self.show(row, words + f"{session.succeeded}/{session.total}", options)


def _found(text: str) -> SyncSession:
    """By its id, or by the beginning of one among the newest."""
    wanted = text.lower()
    newest = SyncSession.objects.order_by("-started_at").values_list("pk", flat=True)[:MOST_SESSIONS]
    found = [pk for pk in newest if str(pk).startswith(wanted)] if len(wanted) >= LEAST_CHARACTERS else []
    if len(found) > 1:
        raise CommandError(_("Several sessions begin so."))
    with contextlib.suppress(ValueError):
        found = found or [UUID(wanted)]
    session = SyncSession.objects.filter(pk__in=found).first()
    if session is None:
        raise CommandError(_("There is no such session: give its id, or its first 4 characters or more."))
    return session
