"""Says which accounts can read, write or administer a database, across the fleet."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.dialects import DIALECTS
from instances.dialects.access import ACTIONS
from instances.exceptions import UnknownInstance
from instances.models import Instance
from instances.services import access
from instances.services import instances as fleet

#: Reasons shown on one line.
MOST_REASONS = 3


class Command(BaseCommand):
    help = _(
        "Says which accounts can read, write or administer a database, on every instance that has it, and by which "
        "rights."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", choices=ACTIONS)
        parser.add_argument("database")
        parser.add_argument(
            "--instance", action="append", metavar="NAME", help=_("Only on this instance (may be repeated).")
        )
        parser.add_argument("--dialect", choices=sorted(DIALECTS), default="")
        parser.add_argument("--environment", choices=Instance.Environment.values, default="")
        parser.add_argument("--tag", default="", help=_("Only on instances with this tag."))
        parser.add_argument("--account", default="", help=_("Only accounts with this in their name."))
        parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))

    def handle(self, **options: Any) -> None:
        names = options["instance"] or []
        try:
            fleet.present(names)
        except UnknownInstance as error:
            raise CommandError(str(error)) from error
        question = access.Question(
            options["action"], options["database"], tuple(names), options["dialect"], options["environment"],
            options["tag"], options["account"],
        )  # fmt: skip
        for answer in access.who_can(question):
            self._tell(answer, as_json=options["json"])
        if left := list(access.not_collected(question).values_list("name", flat=True)):
            self.stderr.write(_("Not collected yet, so nothing is known of: %s.") % ", ".join(left))

    def _tell(self, answer: access.Answer, *, as_json: bool) -> None:
        name, as_of = answer.instance.name, answer.as_of.isoformat() if answer.as_of else None
        for found in answer.found:
            reasons = [str(reason) for reason in found.reasons]
            if as_json:
                paths = [reason.path for reason in found.reasons]
                row = {
                    "instance": name,
                    "as_of": as_of,
                    "account": found.account.name,
                    "reasons": reasons,
                    "paths": paths,
                }
                self.stdout.write(json.dumps(row, ensure_ascii=False))
                continue
            more = "; …" if len(reasons) > MOST_REASONS else ""
            self.stdout.write(
                f"{name:<30} {found.account.name:<40} {'; '.join(reasons[:MOST_REASONS])}{more}"
            )
        if not answer.instance.kind.supports_accounts:
            self.stderr.write(
                _("%(name)s: %(kind)s has no accounts.") % {"name": name, "kind": answer.instance.kind.label}
            )
        elif as_of is None:
            self.stderr.write(_("%s: its accounts have not been collected.") % name)
        elif answer.unread:
            self.stderr.write(
                _("%(name)s: the server has not told the rights of %(count)d accounts.")
                % {"name": name, "count": answer.unread}
            )
