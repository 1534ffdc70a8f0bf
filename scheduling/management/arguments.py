"""Arguments that several commands take, each checked with the argument's name and the allowed values."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from scheduling.models import Task
from scheduling.words import did_you_mean

#: Rows that a listing command gives at the most.
MOST_LISTED = 100_000


def add_listing(parser: argparse.ArgumentParser) -> None:
    """How many rows, and in which form."""
    parser.add_argument("--limit", type=int, default=50, help=_("At most so many (default 50, most 100000)."))
    parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))


def task_by_key(key: str) -> Task:
    """The task; raises CommandError that names the nearest keys."""
    task = Task.objects.present().filter(key=key).first()
    if task is None:
        keys = list(Task.objects.present().order_by("key").values_list("key", flat=True)[:2_000])
        raise CommandError(_("There is no task %(key)r.") % {"key": key} + did_you_mean(key, keys))
    return task


def mapping(name: str, text: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(
            _("%(name)s: this is not JSON (%(error)s).") % {"name": name, "error": error}
        ) from error
    if not isinstance(value, dict):
        raise CommandError(_('%(name)s: a JSON object is needed, such as {"seconds": 5}.') % {"name": name})
    return value


def bounded(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        text = _("%(name)s: %(value)s is out of range: %(least)g to %(most)g is allowed.")
        raise CommandError(text % {"name": name, "value": value, "least": least, "most": most})


def one_of(name: str, value: str, allowed: list[str]) -> None:
    if value not in allowed:
        text = _("%(name)s: %(value)r is not known.") % {"name": name, "value": value}
        raise CommandError(text + did_you_mean(value, allowed))


def moment(name: str, text: str | None) -> datetime | None:
    """A time with its zone; None when nothing was said."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            _("%(name)s: %(value)r is no time such as 2026-06-01T12:00:00+08:00.")
            % {"name": name, "value": text}
        ) from error
    if found.tzinfo is None:
        raise CommandError(_("%s: the time needs a zone, such as 2026-06-01T12:00:00+08:00.") % name)
    return found
