"""Tasks that look after the partitions of the size tables."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from instances.exceptions import PartitionsUnhealthy
from instances.services import partitions, sizes
from scheduling import clock
from scheduling.context import current_run
from scheduling.registry import task

Ahead = Annotated[int, Field(ge=1, le=60)]


@task(gettext_lazy("Make partitions ahead"), category="maintenance")
def create_database_size_partitions(months_ahead: Ahead = partitions.AHEAD) -> dict[str, Any]:
    """Makes the partitions of this month and the next ones where they are missing.

    Args:
        months_ahead: Months beyond this one.
    """
    report = partitions.create_ahead(today=_today(), ahead=months_ahead)
    _say(report)
    _fail_where_refused(report)
    return report.as_result()


@task(gettext_lazy("Drop old partitions"), category="maintenance")
def cleanup_database_size_partitions(
    keep_months: Annotated[int, Field(ge=1, le=1_200)] | None = None,
) -> dict[str, Any]:
    """Drops the partitions that lie wholly before the retention; without partitions, deletes the rows.

    Args:
        keep_months: Months that sizes stay, this one not counted; none: as JOBSITE_KEEP_SIZES_MONTHS says.
    """
    keep = keep_months or settings.JOBSITE_KEEP_SIZES_MONTHS
    report = partitions.cleanup(today=_today(), keep_months=keep)
    _say(report)
    return report.as_result()


@task(gettext_lazy("Give the size tables partitions"), category="maintenance")
def upgrade_database_size_tables(months_ahead: Ahead = partitions.AHEAD) -> dict[str, Any]:
    """Gives plain size tables partitions and keeps every row; may be run again after an interruption.

    Args:
        months_ahead: Months beyond this one.
    """
    report = partitions.upgrade(today=_today(), ahead=months_ahead)
    if report.message:
        current_run().log(report.message)
    upgraded = ", ".join(report.upgraded) or "–"
    current_run().log(
        _("Tables upgraded: %(tables)s; %(rows)d rows.") % {"tables": upgraded, "rows": report.rows}
    )
    _say_statements(report.statements)
    _fail_where_refused(report)
    return report.as_result()


@task(gettext_lazy("Look after the partitions"), category="monitoring")
def monitor_partition_health(
    months_ahead: Ahead = partitions.AHEAD,
    oversize_bytes: Annotated[int, Field(ge=1_000_000)] = partitions.OVERSIZE_BYTES,
) -> dict[str, Any]:
    """Makes missing partitions, and looks for gaps, rows out of all ranges and partitions that are too large.

    Args:
        months_ahead: Months beyond this one that must have a partition.
        oversize_bytes: Size beyond which a partition is too large.
    """
    health = partitions.check(today=_today(), ahead=months_ahead, oversize_bytes=oversize_bytes)
    for problem in health.problems:
        current_run().log(problem, "WARNING")
    if health.problems:
        _say_statements(health.statements)
    if health.state == partitions.CRITICAL:
        raise PartitionsUnhealthy("\n".join([" ".join(health.problems), *health.statements]))
    return health.as_result()


@task(gettext_lazy("Status of the partitions"), category="monitoring")
def get_partition_management_status() -> dict[str, Any]:
    """Lists every partition of the size tables with its range, rows and bytes."""
    return {"supported": partitions.is_supported(), "tables": partitions.status(today=_today())}


def _today() -> Any:
    return sizes.day_of(clock.now())


def _say(report: partitions.Report) -> None:
    if report.message:
        current_run().log(report.message)
    numbers = {
        "created": len(report.created),
        "dropped": len(report.dropped),
        "rows": report.rows,
        "bytes": report.freed_bytes,
    }
    current_run().log(
        _("%(created)d partitions made, %(dropped)d dropped; %(rows)d rows and %(bytes)d bytes freed.")
        % numbers
    )
    for sentence in report.refused:
        current_run().log(sentence, "WARNING")
    _say_statements(report.statements)


def _say_statements(statements: list[str]) -> None:
    """A line each, as they are to be typed."""
    if statements:
        current_run().log(
            "\n".join([_("These statements would let the database's user change partitions:"), *statements]),
            "WARNING",
        )


def _fail_where_refused(report: partitions.Report) -> None:
    if report.refused:
        raise PartitionsUnhealthy("\n".join([*report.refused, *report.statements]))
