"""A person's own statements on chosen instances, side by side: for reading unless asked otherwise, within limits."""

from __future__ import annotations

import csv
import io
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from instances.dialects.tables import MOST_CHARACTERS, Script, Table, script
from instances.models import Instance, StatementRun
from instances.services import visits
from jobsite.exports import guarded
from scheduling import clock
from scheduling.context import RunCancelled, current_run
from scheduling.services.actor import SYSTEM, Actor
from scheduling.sql.transactions import in_transaction
from scheduling.text import storable_characters

MOST_ROWS = 10_000
MOST_SECONDS = 3_600.0
#: What somebody gets who waits for the answer on a page or by the API.
MOST_INSTANCES_WAITED_FOR, MOST_ROWS_WAITED_FOR, MOST_SECONDS_WAITED_FOR = 20, 1_000, 30
#: How often it is looked whether the run is cancelled.
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What one instance said: a table, or why there is none."""

    instance: Instance
    table: Table | None
    error: str = ""


def run(
    instances: list[Instance],
    text: str,
    *,
    actor: Actor = SYSTEM,
    database: str = "",
    writes: bool = False,
    most_rows: int = 1_000,
    seconds: float = 30,
) -> list[Answer]:
    """Runs the statements on each instance; one instance's failure is its own. A row says who asked for what.

    ``database`` is where, on servers that have several; ``seconds`` is what all statements of one instance may take.
    When the current run is cancelled, the servers are told to end what they do. Raises ``StatementRefused`` before
    anything is sent. Call it outside a transaction.
    """
    wanted = script(text, writes=writes, most_rows=min(most_rows, MOST_ROWS))
    row = _asked(instances, text, database, actor, writes=writes)
    began = time.monotonic()
    answers = _visit(instances, wanted, database, seconds)
    StatementRun.objects.filter(pk=row.pk).update(
        errors={answer.instance.name: answer.error for answer in answers if answer.table is None},
        rows=sum(len(answer.table.rows) for answer in answers if answer.table),
        changed=sum(answer.table.changed for answer in answers if answer.table),
        run_ms=round((time.monotonic() - began) * 1000),
    )
    return answers


def _asked(
    instances: list[Instance], text: str, database: str, actor: Actor, *, writes: bool
) -> StatementRun:
    """Written before anything is sent: what is cut off has been asked all the same."""
    execution_id = current_run().execution_id or None

    def write() -> StatementRun:
        row = StatementRun.objects.create(
            at=clock.now(), by_id=actor.user_id, source="task" if execution_id else actor.source,
            statement=storable_characters(text, MOST_CHARACTERS), writes=writes,
            database=storable_characters(database, 500), instances=[instance.name for instance in instances],
            execution_id=execution_id,
        )  # fmt: skip
        row.asked_of.set(instances)
        return row

    return in_transaction(write)


def _visit(instances: list[Instance], wanted: Script, database: str, seconds: float) -> list[Answer]:
    stop = threading.Event()
    wanted = replace(wanted, stopped=stop.is_set)
    with ThreadPoolExecutor(settings.JOBSITE_SYNC_PARALLEL, thread_name_prefix="sql") as pool:
        futures = [(instance, _begin(pool, instance, wanted, database, seconds)) for instance in instances]
        try:
            return [_answer(instance, future) for instance, future in futures]
        except RunCancelled:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def as_csv(table: Table) -> str:
    """One line a row, the names of the columns first; a missing value is an empty cell."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if value is None else value for value in row] for row in table.rows)
    return output.getvalue()


def as_spreadsheet(answers: list[Answer]) -> str:
    """CSV for people, of all instances: the first column names them, and what failed is said in its place.

    A text that a spreadsheet would take for a formula stands behind an apostrophe. An answer that was cut ends in a
    line that says so.
    """
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\r\n")
    columns: tuple[str, ...] | None = None
    for answer in answers:
        table, name = answer.table, guarded(answer.instance.name)
        if table is None:
            writer.writerow([name, _cell(answer.error)])
            continue
        if table.columns != columns:  # the same statement can mean other columns elsewhere
            columns = table.columns
            writer.writerow([_("instance"), *(_cell(column) for column in columns)])
        writer.writerows([name, *(_cell(value) for value in row)] for row in table.rows)
        if table.cut:
            writer.writerow([name, _("# Cut after %d rows: there are more.") % len(table.rows)])
    return output.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else guarded(value)


def _begin(
    pool: ThreadPoolExecutor, instance: Instance, wanted: Script, database: str, seconds: float
) -> Future[Table]:
    try:
        # The rows are read here; the thread only talks to the server.
        target = instance.target()
        limits = replace(target.options, statement_timeout_seconds=min(seconds, MOST_SECONDS))
        place = database if database and instance.kind.needs_host else target.database
        return pool.submit(instance.kind.run, replace(target, database=place, options=limits), wanted)
    except visits.FAILURES as error:
        refused: Future[Table] = Future()
        refused.set_exception(error)
        return refused


def _answer(instance: Instance, future: Future[Table]) -> Answer:
    while not future.done():
        current_run().check_cancelled()
        wait([future], LOOK_SECONDS)
    error = future.exception()
    if error is None:
        return Answer(instance, future.result())
    if isinstance(error, visits.FAILURES):
        return Answer(instance, None, visits.sentence(error))
    raise error
