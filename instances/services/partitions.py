"""Keeps the size tables in partitions by month: made ahead, looked after, and dropped when they are old.

Where the database has none (SQLite), the tables are plain, this room says so, and old rows are deleted in small steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from typing import Any, TypeVar

from django.db import DatabaseError, connection, connections, models
from django.db.models import Max, Min
from django.utils.translation import gettext as _

from instances import sql
from instances.models import DatabaseSize, InstanceSize
from instances.models.partitioned import months_ahead
from instances.services.periods import add_months
from instances.sql.base import Partition, Partitions, default_name, month_of
from scheduling.context import current_run
from scheduling.sql.transactions import in_transaction

#: Months that tasks and commands make ahead.
AHEAD = 3

#: The partitioned models, and the column that decides.
MODELS: tuple[type[models.Model], ...] = (DatabaseSize, InstanceSize)
COLUMN = "date"

#: Rows deleted in one transaction where there are no partitions.
BATCH = 2_000

#: A partition larger than this slows down whatever looks at its month.
OVERSIZE_BYTES = 20 * 1024**3

#: Oldest month for which an upgrade makes a partition of its own, counted from this one.
MOST_MONTHS = 240

Result = TypeVar("Result")

HEALTHY, WARNING, CRITICAL = "healthy", "warning", "critical"


@dataclass(slots=True)
class Report:
    """What was done to the tables."""

    supported: bool
    created: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    upgraded: list[str] = field(default_factory=list)
    rows: int = 0
    freed_bytes: int = 0
    message: str = ""
    #: What the database's user may not do, as sentences, and the statements that would let it.
    refused: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)

    def refuse(self, sentence: str, statements: list[str]) -> None:
        self.refused.append(sentence)
        self.statements += [one for one in statements if one not in self.statements]

    def as_result(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Health:
    """How the partitions are: the worst of what was found."""

    state: str = HEALTHY
    created: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    message: str = ""
    #: What would let the database's user make, drop and upgrade partitions, where it may not. No problem by itself:
    #: somebody else may look after them.
    statements: list[str] = field(default_factory=list)

    def refuse(self, sentence: str, statements: list[str]) -> None:
        self.note(WARNING, sentence)

    def note(self, state: str, sentence: str) -> None:
        self.problems.append(sentence)
        if CRITICAL in (state, self.state):
            self.state = CRITICAL
        else:
            self.state = WARNING

    def as_result(self) -> dict[str, Any]:
        return asdict(self)


def is_supported() -> bool:
    return sql.partitions(connection).supported


def create_ahead(*, today: date, ahead: int) -> Report:
    """Makes the partitions of this month and the next ``ahead`` ones where they are missing.

    Plain tables stay plain (``upgrade``), and the message says so. What the database's user may not do is told.
    """
    statements = sql.partitions(connection)
    report = Report(statements.supported, message=_plain() if not statements.supported else "")
    for table in _tables() if statements.supported else ():
        if not statements.is_partitioned(table):
            report.message = _("%s is a plain table: upgrade it first.") % table
            continue
        work = partial(_create, statements, table, months_ahead(today, ahead))
        report.created += _as_far_as_allowed(report, statements, table, work) or []
    return report


def cleanup(*, today: date, keep_months: int) -> Report:
    """Drops the partitions that lie wholly before the first of this month less ``keep_months``, none of the future.

    Rows of that age that lie in no month's partition are deleted in small steps, as all are where tables are plain,
    or where the database's user may not drop partitions.
    """
    statements = sql.partitions(connection)
    before = add_months(today.replace(day=1), -keep_months)
    report = Report(statements.supported, message=_plain() if not statements.supported else "")
    for number, model in enumerate(MODELS):
        table = model._meta.db_table
        current_run().progress(number, len(MODELS), table)
        for one in statements.listed(table):
            if one.end is not None and one.end <= before:
                current_run().check_cancelled()
                rows = statements.count(table, one.name)
                work = partial(in_transaction, partial(_drop, statements, table, one.name))
                if not _as_far_as_allowed(report, statements, table, work):
                    break
                report.rows += rows
                report.freed_bytes += one.bytes
                report.dropped.append(one.name)
        report.rows += _delete_before(model, before)
    return report


def upgrade(*, today: date, ahead: int) -> Report:
    """Gives plain tables partitions, with every row in its own; one that has them already is left alone.

    A table at a time, each all or nothing: after an interruption it can simply be called again. Writers of a table
    wait while it is rebuilt. A table that the database's user may not rebuild stays plain, and that is told.
    """
    report = Report(is_supported(), message=_plain() if not is_supported() else "")
    for number, model in enumerate(MODELS if report.supported else ()):
        table = model._meta.db_table
        current_run().progress(number, len(MODELS), table)
        with _patient_statements() as statements:
            if statements.is_partitioned(table):
                continue
            current_run().check_cancelled()
            rebuild = partial(_upgrade, statements, table, _months_of(model, today, ahead))
            # MySQL commits such a statement by itself; elsewhere all of them are one transaction.
            work = partial(in_transaction, rebuild) if statements.connection is connection else rebuild
            if not _as_far_as_allowed(report, statements, table, work):
                continue
        report.rows += model._default_manager.count()
        report.upgraded.append(table)
    return report


def check(*, today: date, ahead: int, oversize_bytes: int = OVERSIZE_BYTES, mend: bool = True) -> Health:
    """Looks for what is wrong, makes missing partitions of this month and the next ``ahead`` ones, and tells both.

    Not ``mend``: it only tells.
    """
    health = Health()
    statements = sql.partitions(connection)
    if not statements.supported:
        health.message = _plain()
        return health
    for table in _tables():
        health.statements += statements.missing_rights(table)
        if not statements.is_partitioned(table):
            health.note(CRITICAL, _("%s is a plain table: upgrade it.") % table)
            continue
        missing = _missing(statements, table, months_ahead(today, ahead))
        if mend and missing:
            work = partial(_create, statements, table, missing)
            if created := _as_far_as_allowed(health, statements, table, work):
                health.created += created
                health.note(
                    WARNING, _("Partitions were missing and have been made: %s.") % ", ".join(created)
                )
                missing = []
        if missing:
            months = ", ".join(f"{month:%Y-%m}" for month in missing)
            health.note(
                WARNING, _("%(table)s has no partitions for %(months)s.") % {"table": table, "months": months}
            )
        _look(health, statements, table, today, oversize_bytes)
    # A right on the schema is missing for both tables.
    health.statements = list(dict.fromkeys(health.statements))
    return health


def status(*, today: date) -> list[dict[str, Any]]:
    """Every partition of each table: name, range, about how many rows, bytes, and past, current or future."""
    statements = sql.partitions(connection)
    found = []
    for table in _tables():
        parts = statements.listed(table)
        found.append(
            {
                "table": table,
                "partitioned": bool(parts),
                "message": "" if statements.supported else _plain(),
                "rows": sum(one.rows for one in parts),
                "bytes": sum(one.bytes for one in parts),
                "partitions": [
                    {
                        "name": one.name,
                        "start": one.start.isoformat() if one.start else None,
                        "end": one.end.isoformat() if one.end else None,
                        "rows": one.rows,
                        "bytes": one.bytes,
                        "when": _when(one, today),
                    }
                    for one in parts
                ],
            }
        )
    return found


def _tables() -> list[str]:
    return [model._meta.db_table for model in MODELS]


def _plain() -> str:
    return _(
        "This database has no partitions: the tables are plain, and old rows are deleted in small steps."
    )


def _missing(statements: Partitions, table: str, months: list[date]) -> list[date]:
    covered = {month_of(table, one.name) for one in statements.listed(table)}
    return [month for month in months if month not in covered]


def _create(statements: Partitions, table: str, months: list[date]) -> list[str]:
    """Those that it has made: two of the built-in tasks make them, and may do so at the same moment."""
    missing = _missing(statements, table, months)
    try:
        return in_transaction(lambda: statements.create(table, COLUMN, missing)) if missing else []
    except DatabaseError:
        if _missing(statements, table, months):
            raise
        return []  # somebody else was faster


def _drop(statements: Partitions, table: str, name: str) -> bool:
    statements.drop(table, name)
    return True


def _upgrade(statements: Partitions, table: str, months: list[date]) -> bool:
    statements.upgrade(table, COLUMN, months)
    return True


def _as_far_as_allowed(
    told: Report | Health, statements: Partitions, table: str, work: Callable[[], Result]
) -> Result | None:
    """What the work gives; None, and told with what would help, where the database's user may not do it."""
    try:
        return work()
    except DatabaseError as error:
        if not statements.is_refusal(error):
            raise
        told.refuse(
            _("The database refuses to change the partitions of %(table)s: %(error)s.")
            % {"table": table, "error": str(error.args[-1]).partition("\n")[0].removesuffix(".")},
            statements.missing_rights(table),
        )
        return None


def _look(health: Health, statements: Partitions, table: str, today: date, oversize_bytes: int) -> None:
    parts = statements.listed(table)
    this_month = today.replace(day=1)
    covered = {month for one in parts if (month := month_of(table, one.name))}
    if this_month not in covered:
        health.note(CRITICAL, _("%s has no partition for this month.") % table)
    if default_name(table) not in {one.name for one in parts}:
        health.note(CRITICAL, _("%s has no default partition: rows out of all ranges are refused.") % table)
    elif stray := statements.months_in_default(table, COLUMN):
        months = ", ".join(f"{month:%Y-%m}" for month in stray[:12])
        health.note(
            WARNING,
            _("%(table)s: rows in the default partition, of %(months)s.")
            % {"table": table, "months": months},
        )
    if gaps := [month for month in _between(covered) if month not in covered]:
        months = ", ".join(f"{month:%Y-%m}" for month in gaps[:12])
        health.note(
            WARNING, _("%(table)s has no partitions for %(months)s.") % {"table": table, "months": months}
        )
    for one in parts:
        if one.bytes > oversize_bytes:
            sentence = _("%(name)s has %(bytes)d bytes.") % {"name": one.name, "bytes": one.bytes}
            health.note(WARNING, sentence)


def _between(months: set[date]) -> Iterator[date]:
    month = min(months, default=date.max)
    while month < max(months, default=date.min):
        yield month
        month = add_months(month, 1)


def _when(one: Partition, today: date) -> str:
    if one.is_default:
        return "default"
    if one.end is not None and one.end <= today:
        return "past"
    return "future" if one.start is not None and one.start > today else "current"


def _months_of(model: type[models.Model], today: date, ahead: int) -> list[date]:
    """Every month from the oldest row (as far as that makes sense) to the last that is made ahead, or has rows."""
    ends = model._default_manager.aggregate(first=Min(COLUMN), last=Max(COLUMN))
    wanted = months_ahead(today, ahead)
    oldest, latest = add_months(wanted[0], -MOST_MONTHS), add_months(wanted[0], MOST_MONTHS)
    month = min(max((ends["first"] or today).replace(day=1), oldest), wanted[0])
    until = min(max(wanted[-1], ends["last"] or today), latest)
    months = []
    while month <= until:
        months.append(month)
        month = add_months(month, 1)
    return months


def _delete_before(model: type[models.Model], before: date) -> int:
    old = model._default_manager.filter(**{f"{COLUMN}__lt": before}).order_by(COLUMN)
    count = 0
    while keys := list(old.values_list("pk", flat=True)[:BATCH]):
        current_run().check_cancelled()
        rows = model._default_manager.filter(pk__in=keys)
        count += in_transaction(rows.delete)[0]
    return count


@contextmanager
def _patient_statements() -> Iterator[Partitions]:
    """Statements that may take hours. MySQL's driver gives up after the seconds that this connection was opened with,
    so a second one is opened for it.
    """
    if connection.vendor != "mysql":
        yield sql.partitions(connection)
        return
    patient = connections.create_connection(connection.alias)
    patient.settings_dict = connection.settings_dict | {
        "OPTIONS": connection.settings_dict["OPTIONS"] | {"read_timeout": 86_400, "write_timeout": 86_400}
    }
    try:
        yield sql.partitions(patient)
    finally:
        patient.close()
