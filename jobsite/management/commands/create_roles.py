"""Creates the default roles."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from jobsite import roles


class Command(BaseCommand):
    help = _("Creates the roles viewer, operator, editor and dba-admin; those that exist stay as they are.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--reset", action="store_true", help=_("Give existing ones their first permissions back.")
        )
        parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))

    def handle(self, *, reset: bool, **options: Any) -> None:
        created, put_back = roles.create(reset=reset)
        for name in roles.ROLES:
            done = "created" if name in created else "reset" if name in put_back else "kept"
            self.stdout.write(self._line(name, done, as_json=options["json"]))

    def _line(self, name: str, done: str, *, as_json: bool) -> str:
        if as_json:
            permissions = roles.codes(roles.permissions_of(name))
            return json.dumps({"role": name, "done": done, "default_permissions": permissions})
        words = {"created": _("created"), "reset": _("reset"), "kept": _("kept as it is")}
        return f"{name:<12} {words[done]}"
