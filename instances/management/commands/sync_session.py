"""Verbs of collections: ``manage.py sync_session cancel ID…``, ``sync_session retry ID``."""

from __future__ import annotations

import argparse
import uuid
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from instances.models import SyncRecord, SyncSession
from instances.services import requests
from scheduling.management.json_rows import execution_row
from scheduling.management.verbs import VerbCommand

#: The newest sessions that are listed.
LISTED = 50


class Command(VerbCommand):
    help = _("Lists collections over instances, ends them, visits again what failed.")
    verbs: ClassVar[dict[str, Any]] = {
        "list": _("List the newest sessions with their outcome."),
        "show": _("Show what came of each instance of sessions."),
        "cancel": _("End sessions between instances: what has not begun does not begin."),
        "retry": _("Ask for another visit to the instances that failed; a running scheduler does it."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb != "list":
            parser.add_argument("ids", nargs="+", type=uuid.UUID, metavar="ID")
        if verb == "list":
            parser.add_argument(
                "--status", choices=SyncSession.Status.values, help=_("Only those of this outcome.")
            )
            parser.add_argument(
                "--category", choices=SyncSession.Category.values, help=_("Only those of this kind.")
            )
        if verb == "show":
            parser.add_argument(
                "--state", choices=SyncRecord.State.values, help=_("Only instances in this state.")
            )

    def verb_list(self, options: dict[str, Any]) -> None:
        wanted = {name: options[name] for name in ("status", "category") if options[name]}
        for session in SyncSession.objects.filter(**wanted).order_by("-started_at")[:LISTED]:
            self.stdout.write(self.told(session, options))

    def verb_show(self, options: dict[str, Any]) -> None:
        def work(id: str) -> str:
            session = self._session(id)
            records = session.records.select_related("instance").order_by("instance__name")
            if options["state"]:
                records = records.filter(state=options["state"])
            return "\n".join(
                [self.told(session, options), *(self._record(each, options) for each in records)]
            )

        self.each(map(str, options["ids"]), work)

    def _record(self, record: SyncRecord, options: dict[str, Any]) -> str:
        row = {
            "session": str(record.session_id),
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
        said = record.error or " ".join(row["notes"])
        return self.show(row, f"  {record.instance.name:<40} {record.state:<10} {said}".rstrip(), options)

    def verb_cancel(self, options: dict[str, Any]) -> None:
        def work(id: str) -> str:
            session = self._session(id)
            requests.cancel(session, actor=self.actor(options))
            session.refresh_from_db()
            return self.told(session, options)

        self.each(map(str, options["ids"]), work)

    def verb_retry(self, options: dict[str, Any]) -> None:
        def work(id: str) -> str:
            execution = requests.retry(self._session(id), actor=self.actor(options))
            words = f"#{execution.pk} {execution.state} {execution.detail}".rstrip()
            return self.show(execution_row(execution), words, options)

        self.each(map(str, options["ids"]), work)

    def _session(self, id: str) -> SyncSession:
        session = SyncSession.objects.filter(pk=id).first()
        if session is None:
            raise CommandError(_("There is no such session."))
        return session

    def told(self, session: SyncSession, options: dict[str, Any]) -> str:
        row = {
            "id": str(session.pk),
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
            "cancel_requested_at": session.cancel_requested_at,
        }
        numbers = f"{session.succeeded}/{session.total}"
        words = f"{session.pk} {session.started_at.isoformat(timespec='seconds')} {session.category} {session.status}"
        return self.show(row, f"{words} {numbers}", options)
