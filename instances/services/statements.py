"""A person's own statements on chosen instances, side by side: for reading unless asked otherwise, within limits."""

from __future__ import annotations

import csv
import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from django.conf import settings

from instances.dialects.tables import Script, Table, script
from instances.models import Instance
from instances.services import visits
from scheduling.context import current_run

MOST_ROWS = 10_000
MOST_SECONDS = 3_600.0


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
    database: str = "",
    writes: bool = False,
    most_rows: int = 1_000,
    seconds: float = 30,
) -> list[Answer]:
    """Runs the statements on each instance; one instance's failure is its own.

    ``database`` is where, on servers that have several; ``seconds`` is what all statements of one instance may take.
    Raises ``StatementRefused`` before anything is sent. Call it outside a transaction.
    """
    wanted = script(text, writes=writes, most_rows=min(most_rows, MOST_ROWS))
    with ThreadPoolExecutor(settings.JOBSITE_SYNC_PARALLEL, thread_name_prefix="sql") as pool:
        futures = [(instance, _begin(pool, instance, wanted, database, seconds)) for instance in instances]
        answers = []
        for instance, future in futures:
            current_run().check_cancelled()
            answers.append(_answer(instance, future))
    return answers


def as_csv(table: Table) -> str:
    """One line a row, the names of the columns first; a missing value is an empty cell."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if value is None else value for value in row] for row in table.rows)
    return output.getvalue()


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
    error = future.exception()
    if error is None:
        return Answer(instance, future.result())
    if isinstance(error, visits.FAILURES):
        return Answer(instance, None, visits.sentence(error))
    raise error
