"""From the list's address to what is wanted, and back to addresses that want a little more or less."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling.models import Origin, State, Task
from scheduling.services.history import MOST_TASKS, Wanted

#: Names under which other pages, and Django, link to the same filters.
ALIASES = {
    "q": "task", "task_key": "task", "state__exact": "state", "origin__exact": "origin",
    "node__exact": "node", "node__id__exact": "node", "task__id__exact": "task_id", "task__exact": "task_id",
}  # fmt: skip
NAMES = ("task", "task_id", "state", "origin", "node", "within", "from", "to")
#: The last so much: for one click.
WITHIN: dict[str, tuple[timedelta, Any]] = {
    "1h": (timedelta(hours=1), gettext_lazy("last hour")),
    "24h": (timedelta(hours=24), gettext_lazy("last 24 hours")),
    "7d": (timedelta(days=7), gettext_lazy("last 7 days")),
}


@dataclass(slots=True)
class Chosen:
    """What a person has chosen, as text; what cannot be understood is in ``faults`` and does not count."""

    values: dict[str, list[str]] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=Wanted)
    faults: list[str] = field(default_factory=list)

    def one(self, name: str) -> str:
        return next(iter(self.values.get(name, ())), "")

    def address(self, **changes: list[str]) -> str:
        """The list's query with some names chosen otherwise; the first page of it."""
        values = {name: chosen for name, chosen in {**self.values, **changes}.items() if chosen}
        return "?" + urlencode(sorted(values.items()), doseq=True)

    def toggled(self, name: str, value: str) -> str:
        before = self.values.get(name, [])
        after = [each for each in before if each != value] if value in before else [*before, value]
        return self.address(**{name: after})


def read(query: QueryDict, now: datetime, zone: ZoneInfo) -> Chosen:
    """``zone``: that of times without an offset. One query, when a task is named by its key."""
    chosen = Chosen()
    for given, texts in query.lists():
        name = ALIASES.get(given, given)
        kept = [text.strip()[:200] for text in texts if text.strip()]
        if name in NAMES and kept:
            chosen.values[name] = kept
    since, until = _times(chosen, now, zone)
    chosen.wanted = Wanted(
        task_ids=_task_ids(chosen),
        states=tuple(_known(chosen, "state", State.values)),
        origin=next(iter(_known(chosen, "origin", Origin.values)), ""),
        node_id=_node(chosen),
        since=since,
        until=until,
    )
    return chosen


def _known(chosen: Chosen, name: str, allowed: list[str]) -> list[str]:
    unknown = [value for value in chosen.values.get(name, ()) if value not in allowed]
    for value in unknown:
        chosen.faults.append(_("%(value)s is not known.") % {"value": repr(value)})
    return [value for value in dict.fromkeys(chosen.values.get(name, ())) if value in allowed]


def _task_ids(chosen: Chosen) -> tuple[int, ...] | None:
    """Those of the task that has the key, and of deleted ones that had it."""
    given = chosen.one("task_id")
    if given:
        return (int(given),) if given.isdecimal() and len(given) < 19 else ()
    key = chosen.one("task")
    if not key:
        return None
    named = Task.objects.filter(Q(key=key) | Q(key__startswith=f"{key}~")).order_by("-pk")
    ids = tuple(named.values_list("pk", flat=True)[:MOST_TASKS])
    if not ids:
        chosen.faults.append(_("No task has or had the key %(key)s.") % {"key": repr(key)})
    return ids


def _node(chosen: Chosen) -> uuid.UUID | None:
    given = chosen.one("node")
    try:
        return uuid.UUID(given) if given else None
    except ValueError:
        chosen.faults.append(_("%(value)s is not known.") % {"value": repr(given)})
        return None


def _times(chosen: Chosen, now: datetime, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    within = chosen.one("within")
    if within in WITHIN:
        return now - WITHIN[within][0], None
    if within:
        chosen.faults.append(_("%(value)s is not known.") % {"value": repr(within)})
    return _moment(chosen, "from", zone), _moment(chosen, "to", zone)


def _moment(chosen: Chosen, name: str, zone: ZoneInfo) -> datetime | None:
    text = chosen.one(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=zone) if at.tzinfo is None else at
    except (ValueError, OverflowError):
        chosen.faults.append(_("%(value)s is no time.") % {"value": repr(text)})
        return None
