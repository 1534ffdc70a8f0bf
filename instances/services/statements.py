"""A person's own statements on chosen instances, side by side: for reading unless asked otherwise, within limits."""

from __future__ import annotations

import csv
import io
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from django.conf import settings

from instances.dialects.tables import Script, Table, script
from instances.models import Instance
from instances.services import visits
from scheduling.context import RunCancelled, current_run

MOST_ROWS = 10_000
MOST_SECONDS = 3_600.0
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
    database: str = "",
    writes: bool = False,
    most_rows: int = 1_000,
    seconds: float = 30,
) -> list[Answer]:
    """Runs the statements on each instance; one instance's failure is its own.

    ``database`` is where, on servers that have several; ``seconds`` is what all statements of one instance may take.
    When the current run is cancelled, the servers are told to end what they do. Raises ``StatementRefused`` before
    anything is sent. Call it outside a transaction.
    """
    stop = threading.Event()
    wanted = script(text, writes=writes, most_rows=min(most_rows, MOST_ROWS))
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
