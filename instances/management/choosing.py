"""Instances that commands name, one by one or by kind."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from instances.dialects import DIALECTS
from instances.exceptions import UnknownInstance
from instances.models import Instance
from instances.services import instances as fleet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--instance", action="append", metavar="NAME", help=_("Only of this instance (may be repeated).")
    )
    parser.add_argument("--dialect", choices=sorted(DIALECTS), default="")
    parser.add_argument("--environment", choices=Instance.Environment.values, default="")
    parser.add_argument("--tag", default="", help=_("Only on instances with this tag."))


def chosen(options: dict[str, Any]) -> list[Instance] | None:
    """Those that the options name; None: all of them. Raises CommandError that names the nearest."""
    try:
        named = fleet.present(options["instance"]) if options["instance"] else None
    except UnknownInstance as error:
        raise CommandError(str(error)) from error
    words = {
        "dialect": options["dialect"],
        "environment": options["environment"],
        "tags__name": options["tag"],
    }
    kinds = {name: word for name, word in words.items() if word}
    if not kinds:
        return named
    rows = Instance.objects.filter(**kinds)
    return list(rows if named is None else rows.filter(pk__in=[instance.pk for instance in named]))
