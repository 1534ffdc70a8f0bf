"""``manage.py demo``: something to look at, in a database made for looking."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from jobsite import demo


class Command(BaseCommand):
    help = _(
        "Makes up tasks, two weeks of their history and the sizes of a small fleet (keys begin with demo.)."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true", help=_("Take all of it away again."))

    def handle(self, *, remove: bool, **_options: Any) -> None:
        count = demo.remove() if remove else demo.build()
        text = (
            _("%(tasks)d tasks, %(executions)d executions and %(sizes)d sizes removed.")
            if remove
            else _("%(tasks)d tasks, %(executions)d executions and %(sizes)d sizes made up.")
        )
        self.stdout.write(text % count)
