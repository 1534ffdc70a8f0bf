"""Has the promises examined on the live database, each within a bounded time, and keeps what was found as evidence."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import DatabaseError, connection

from scheduling import clock, sql
from scheduling.models import Examination
from scheduling.sentences import of_promises
from scheduling.services.actor import Actor
from scheduling.services.examinations import KINDS, NAMED, Broken, Kind
from scheduling.sql.transactions import in_transaction
from scheduling.text import storable_characters

logger = logging.getLogger(__name__)

#: What one examination, and all of them together, may take.
MOST_SECONDS = 5.0
MOST_SECONDS_TOGETHER = 30.0
#: Statements that are kept of one examination, and characters of each.
STATEMENTS = 6
STATEMENT_CHARACTERS = 1_500
#: Broken rows that are counted beyond those that are named.
COUNTED = 1_000
#: Examinations that are kept.
KEPT = 20


class OutOfTime(Exception):
    """An examination has had its time."""


@dataclass(slots=True)
class Statement:
    """A statement as the database got it, and how long that took."""

    sql: str
    ms: float


@dataclass(slots=True)
class Finding:
    """One examination: ``kept`` when it found no row that breaks the promise, ``broken``, or ``unknown``: no time."""

    name: str
    state: str = "kept"
    ms: float = 0.0
    found: list[Broken] = field(default_factory=list)
    more: int = 0  # found beyond those that are named
    statements: list[Statement] = field(default_factory=list)
    more_statements: int = 0

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @property
    def is_healthy(self) -> bool:
        return self.state == "kept"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "ms": round(self.ms, 1),
            "found": [entry._asdict() for entry in self.found],
            "more": self.more,
            "statements": [{"sql": each.sql, "ms": round(each.ms, 1)} for each in self.statements],
            "more_statements": self.more_statements,
        }


def examine(*, actor: Actor) -> Examination:
    """Looks now, within 30 s, and keeps the last twenty answers. Raises the database's errors while it looks.

    What cannot be kept (the database takes no writes) is answered all the same, without a primary key.
    """
    now, begun = clock.refresh(), time.monotonic()
    found = look(now)
    states = [finding.state for finding in found]
    made = Examination(
        at=now,
        took_ms=round((time.monotonic() - begun) * 1000),
        by_id=actor.user_id,
        source=actor.source,
        kept=states.count("kept"),
        broken=states.count("broken"),
        unknown=states.count("unknown"),
        findings=[finding.as_json() for finding in found],
    )
    try:
        in_transaction(lambda: _keep(made))
    except DatabaseError as error:
        logger.warning("the examination could not be kept", extra={"cause": str(error).strip()[:300]})
        made.pk = None
    return made


def look(now: datetime) -> list[Finding]:
    """All examinations, one after the other; one for which no time is left is ``unknown``."""
    end = time.monotonic() + MOST_SECONDS_TOGETHER
    return [_look(name, kind, now, min(MOST_SECONDS, end - time.monotonic())) for name, kind in KINDS.items()]


def _look(name: str, kind: Kind, now: datetime, seconds: float) -> Finding:
    finding, begun = Finding(name), time.monotonic()
    if seconds <= 0:
        return _unknown(finding, of_promises.NO_TIME())
    try:
        with ExitStack() as stack:
            stack.enter_context(sql.at_most(seconds))
            stack.enter_context(connection.execute_wrapper(_recorder(finding, begun + seconds)))
            rows = kind.look(now)
            finding.found = list(islice(rows, NAMED))
            finding.more = sum(1 for _row in islice(rows, COUNTED))
        finding.state = "broken" if finding.found else "kept"
    except (OutOfTime, DatabaseError) as error:
        # The database says in many ways that a statement took too long; the clock says it in one.
        if isinstance(error, DatabaseError) and time.monotonic() - begun < seconds * 0.9:
            raise
        _unknown(finding, of_promises.TOOK_TOO_LONG(seconds=f"{round(seconds, 1):g}"))
    finding.ms = (time.monotonic() - begun) * 1000
    return finding


def _unknown(finding: Finding, why: str) -> Finding:
    finding.state, finding.found, finding.more = "unknown", [Broken(why)], 0
    return finding


def _recorder(finding: Finding, end: float) -> Callable[..., Any]:
    """Keeps what is sent to the database, and sends nothing more when the time is over."""

    def record(execute: Callable[..., Any], text: str, values: Any, many: bool, context: Any) -> Any:
        begun = time.monotonic()
        if begun > end:
            raise OutOfTime
        answer = execute(text, values, many, context)
        ms = (time.monotonic() - begun) * 1000
        if len(finding.statements) < STATEMENTS:
            said = connection.ops.last_executed_query(context["cursor"].cursor, text, values) or text
            finding.statements.append(Statement(storable_characters(said, STATEMENT_CHARACTERS), ms))
        else:
            finding.more_statements += 1
        return answer

    return record


def _keep(made: Examination) -> None:
    made.save(force_insert=True)
    old = Examination.objects.order_by("-pk").values_list("pk", flat=True)[KEPT : KEPT * 3]
    Examination.objects.filter(pk__in=list(old)).delete()


def findings(examination: Examination) -> list[Finding]:
    """What was found then; examinations that this version does not know any more are left out."""
    return [
        Finding(
            entry["name"],
            entry["state"],
            entry["ms"],
            [Broken(**found) for found in entry["found"]],
            entry["more"],
            [Statement(**each) for each in entry["statements"]],
            entry["more_statements"],
        )
        for entry in examination.findings
        if entry["name"] in KINDS
    ]


def latest() -> Examination | None:
    return Examination.objects.select_related("by").order_by("-pk").first()
