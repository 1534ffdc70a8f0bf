"""Looking through executions, newest first: filters, pages by cursor, bounded counts. Reads only.

Every page is a few short walks along an index that yields its rows in the order of their ids; nothing is
counted to the end, skipped over or sorted. What no index knows (two rare conditions at once) is looked for in
at most ``WALK`` rows at a time, and the page says how far it has come.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import QuerySet

from scheduling.models import ACTIVE, Execution, Origin, State
from scheduling.models.execution import ExecutionQuerySet
from scheduling.services.stretches import ids_between
from scheduling.sql import unions
from scheduling.sql.unions import Walk

Rows = ExecutionQuerySet
AnyRows = TypeVar("AnyRows", bound=QuerySet[Execution, Any])

PAGE = 50
#: Counted no further.
MOST_COUNTED = 1_000
#: Rows of an index that are looked at for one page, for a condition that the index does not know.
WALK = 5_000
#: Tasks that one filter may name: a key may have belonged to several, deleted ones.
MOST_TASKS = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. Empty: everything."""

    task_ids: tuple[int, ...] | None = None  # (): a task that does not exist, so nothing
    states: tuple[str, ...] = ()
    origin: str = ""
    node_id: uuid.UUID | None = None
    since: datetime | None = None  # when the execution was admitted; from then on
    until: datetime | None = None  # … and before then
    # The newest one that counts: what was admitted after a person looked is not what they meant.
    up_to: int | None = None
    # The ids between which that time lies, once ``resolved``.
    ids: tuple[int, int] | None = None

    def resolved(self) -> Wanted:
        """The same, with its time as ids: asked once for a page and its counts."""
        if self.ids is not None or (self.since is None and self.until is None):
            return self
        ids = ids_between(self.since, self.until)
        return replace(self, task_ids=()) if ids is None else replace(self, ids=ids)

    def narrow(self, rows: AnyRows) -> AnyRows:
        """Those of the rows that are wanted, by plain conditions: for a few rows that are known already."""
        if self.states:
            rows = rows.filter(state__in=self.states)
        if self.node_id is not None:
            rows = rows.filter(node_id=self.node_id)
        if self.up_to is not None:
            rows = rows.filter(id__lte=self.up_to)
        for name, values in {"task_id": self.task_ids, "origin": self.origin and (self.origin,)}.items():
            rows = rows.filter(**{f"{name}__in": values}) if values not in (None, "") else rows
        return self._exactly_in_time(rows)

    def _exactly_in_time(self, rows: AnyRows) -> AnyRows:
        if self.since is not None:
            rows = rows.filter(admitted_at__gte=self.since)
        if self.until is not None:
            rows = rows.filter(admitted_at__lt=self.until)
        return rows

    def _walks(self, rows: Rows) -> Iterator[tuple[Rows, str]]:
        """Parts of the rows, each with the index that yields it in the order of ids; ``_beside`` is not seen to."""
        rows = self._exactly_in_time(rows)
        if self.node_id is not None:  # state by state, also where all are wanted
            for state in self.states or State.values:
                yield _of_one(rows.filter(node_id=self.node_id), state), "execution_node"
        elif self.task_ids is not None:
            for task_id in self.task_ids[:MOST_TASKS]:
                for state in self.states:
                    yield _of_one(rows.filter(task_id=task_id), state), "execution_task_outcome"
                if not self.states:
                    yield rows.filter(task_id=task_id), "execution_history"
        elif self.states:
            for state in self.states:
                # What is active lies in the order of claims: it is sorted, all of it.
                yield rows.in_state(state), "execution_claim" if state in ACTIVE else "execution_outcome"
        elif self.origin and self.origin != Origin.SCHEDULE:
            yield rows.filter(origin=self.origin), "execution_origin"
        else:
            yield rows, "PRIMARY"

    @property
    def _beside(self) -> dict[str, tuple[Any, ...]]:
        """Columns and their wanted values that the index in use does not know."""
        beside: dict[str, tuple[Any, ...]] = {}
        if self.node_id is not None and self.task_ids is not None:
            beside["task_id"] = self.task_ids
        led = self.node_id is not None or self.task_ids is not None or bool(self.states)
        if self.origin and (led or self.origin == Origin.SCHEDULE):
            beside["origin"] = (self.origin,)
        return beside


NOTHING = Wanted(task_ids=())


def _of_one(rows: Rows, state: str) -> Rows:
    """Those of a task or a node in one state."""
    # "in": for "=", SQLite would go through all that is queued, of whatever task, and sort it.
    return rows.active().filter(state__in=(state,)) if state in ACTIVE else rows.in_state(state)


@dataclass(frozen=True, slots=True)
class Page:
    ids: list[int]  # newest first
    newer: bool
    older: bool
    # Everything from here on was looked at, and more may lie beyond; None: the page is complete.
    searched_to: int | None = None


def page(wanted: Wanted, *, before: int | None = None, after: int | None = None, size: int = PAGE) -> Page:
    """The newest ones older than ``before``, or the oldest ones newer than ``after``, or the newest of all."""
    wanted, rows = _rows(wanted)
    upwards = after is not None
    if after is not None:
        rows = rows.filter(id__gt=after)
    elif before is not None:
        rows = rows.filter(id__lt=before)
    found, searched_to = _find(wanted, rows, size + 1, "id" if upwards else "-id")
    ids = sorted(found, reverse=not upwards)
    more = len(ids) > size or searched_to is not None
    ids = sorted(ids[:size], reverse=True)
    newer = more if upwards else before is not None
    older = after is not None if upwards else more
    return Page(ids, newer, older, searched_to)


def _rows(wanted: Wanted) -> tuple[Wanted, Rows]:
    """All rows between the ids that are wanted."""
    wanted = wanted.resolved()
    rows: Rows = Execution.objects.order_by()
    if wanted.up_to is not None:
        rows = rows.filter(id__lte=wanted.up_to)
    return wanted, rows.filter(id__gte=wanted.ids[0], id__lte=wanted.ids[1]) if wanted.ids else rows


def _find(wanted: Wanted, rows: Rows, limit: int, order: str) -> tuple[list[int], int | None]:
    """Ids in that order, and how far the search has come if it was cut short."""
    downwards = order == "-id"
    if wanted.task_ids == ():
        return [], None
    beside = wanted._beside
    columns, length = ("id", *beside), WALK if beside else limit
    walks = [
        Walk(rows.order_by(order).values(*columns)[:length], index) for rows, index in wanted._walks(rows)
    ]
    if not beside:
        return sorted((id for (id,) in unions.rows_of(walks)), reverse=downwards)[:limit], None
    found = sorted(unions.matching(walks, beside, order, limit), reverse=downwards)[:limit]
    # One of several walks may have been cut short above what another one has found.
    ends = [end for number, end in unions.ends_of(walks, order) if number == WALK]
    if not ends:
        return found, None
    end = max(ends) if downwards else min(ends)
    sure = [id for id in found if (id >= end if downwards else id <= end)]
    return sure, None if len(sure) == limit else end


def counts(wanted: Wanted) -> dict[str, int]:
    """How many of the wanted ones are in each state, whatever states are wanted, each counted to ``MOST_COUNTED``.

    Empty when no index can tell.
    """
    if wanted._beside or (wanted.origin and wanted.origin != Origin.SCHEDULE):
        return {}
    wanted, all_rows = _rows(wanted)
    counted = dict.fromkeys(State.values, 0)
    if wanted.task_ids == ():
        return counted
    parts = [
        (state, Walk(rows.values("id")[:MOST_COUNTED], index))
        for state in State.values
        for rows, index in replace(wanted, states=(state,))._walks(all_rows)
    ]
    for (state, _walk), number in zip(parts, unions.counts_of([walk for _state, walk in parts]), strict=True):
        counted[state] = min(counted[state] + number, MOST_COUNTED)
    return counted
