"""Tasks that run a person's own statements. Each needs a permission of its own."""

from __future__ import annotations

from typing import Annotated, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from instances.exceptions import CollectionFailed
from instances.services import instances as fleet
from instances.services import statements
from instances.tasks.words import InstanceNames
from scheduling.context import current_run
from scheduling.registry import task
from scheduling.services.actor import SYSTEM

Statement = Annotated[str, Field(min_length=1, max_length=100_000)]
Rows = Annotated[int, Field(ge=1, le=statements.MOST_ROWS)]
Seconds = Annotated[float, Field(gt=0, le=statements.MOST_SECONDS)]
DatabaseName = Annotated[str, Field(max_length=255)]


@task(gettext_lazy("Run a statement that reads"), category="other", permission="instances.run_sql")
def run_sql(
    instances: InstanceNames,
    statement: Statement,
    database: DatabaseName = "",
    max_rows: Rows = 200,
    timeout_seconds: Seconds = 30,
) -> dict[str, Any]:
    """Runs one statement on instances in a transaction that only reads, and gives the rows.

    Args:
        instances: Names of instances.
        statement: One statement that reads.
        database: The database to run it in; empty: the one that each instance connects to.
        max_rows: Rows that are fetched from each instance, at most.
        timeout_seconds: Seconds that it may take on each instance.
    """
    return _run(instances, statement, database, max_rows, timeout_seconds, writes=False)


@task(
    gettext_lazy("Run statements that change something"),
    category="other",
    permission="instances.run_writing_sql",
)
def run_writing_sql(
    instances: InstanceNames,
    script: Statement,
    database: DatabaseName = "",
    max_rows: Rows = 200,
    timeout_seconds: Seconds = 30,
) -> dict[str, Any]:
    """Runs statements on instances, on each as one transaction, and gives the rows of the last one.

    Args:
        instances: Names of instances.
        script: Statements with semicolons between them.
        database: The database to run them in; empty: the one that each instance connects to.
        max_rows: Rows that are fetched from each instance, at most.
        timeout_seconds: Seconds that all of them may take on each instance.
    """
    return _run(instances, script, database, max_rows, timeout_seconds, writes=True)


def _run(
    names: list[str], text: str, database: str, max_rows: int, seconds: float, *, writes: bool
) -> dict[str, Any]:
    """Raises ``CollectionFailed`` when it failed on every instance, and when it failed on some and writes."""
    answers = statements.run(
        fleet.named(names),
        text,
        database=database,
        writes=writes,
        most_rows=max_rows,
        seconds=seconds,
        actor=SYSTEM,
    )
    failed = {answer.instance.name: answer.error for answer in answers if answer.table is None}
    for name, error in failed.items():
        current_run().log(f"{name}: {error}", "ERROR")
    if len(failed) == len(answers) or (writes and failed):
        sentences = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise CollectionFailed(
            _("It failed on %(failed)d of %(total)d instances. %(errors)s")
            % {"failed": len(failed), "total": len(answers), "errors": sentences}
        )
    return {
        "status": "partly_failed" if failed else "completed",
        "errors": failed,
        "answers": {
            answer.instance.name: {
                "columns": answer.table.columns,
                "rows": answer.table.rows,
                "cut": answer.table.cut,
                "changed": answer.table.changed,
            }
            for answer in answers
            if answer.table is not None
        },
    }
