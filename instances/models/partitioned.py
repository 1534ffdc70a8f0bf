"""Says on a model that its table is partitioned by month; the migration that adds it makes it so."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

from django.db import models
from django.db.backends.ddl_references import Statement
from django.db.models.constraints import BaseConstraint

from instances import sql
from instances.sql.base import month_after
from scheduling import clock

#: Partitions that a migration makes beyond this month; the tasks make the others.
AHEAD = 3


class MonthlyPartitions(BaseConstraint):
    """No rule about values, but a property of the table; where a database has no partitions, nothing.

    Declared as a constraint so that migrations carry it like every other part of the model.
    """

    def __init__(self, *, name: str, column: str) -> None:
        self.column = column
        super().__init__(name=name)

    def constraint_sql(self, model: type[models.Model] | None, schema_editor: Any) -> Any:
        """Of a table that is about to be made: it is partitioned when it is there, before it gets its indexes."""
        schema_editor.deferred_sql.append(_Afterwards(self, model, schema_editor))

    def create_sql(self, model: type[models.Model] | None, schema_editor: Any) -> Any:
        assert model is not None  # noqa: S101 (for mypy)
        partitions = sql.partitions(schema_editor.connection)
        table = model._meta.db_table
        if partitions.supported and not schema_editor.collect_sql and not partitions.is_partitioned(table):
            partitions.upgrade(table, self.column, months_ahead(clock.now().date(), AHEAD))
        # None: there is nothing left to execute.

    def remove_sql(self, model: type[models.Model] | None, schema_editor: Any) -> Any:
        return None

    def validate(self, *_args: Any, **_named: Any) -> None:
        """Every row fits."""

    def deconstruct(self) -> Any:
        path, _args, named = super().deconstruct()
        return path, (), named | {"column": self.column}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MonthlyPartitions):
            return (self.name, self.column) == (other.name, other.column)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.column))


class _Afterwards(Statement):
    """Stands among the statements that Django keeps for the end, and does its work when it is asked for its text."""

    def __init__(self, partitions: MonthlyPartitions, model: type[models.Model] | None, editor: Any) -> None:
        super().__init__("SELECT 1")
        self._work = partial(partitions.create_sql, model, editor)

    def __str__(self) -> str:
        self._work()
        return super().__str__()


def months_ahead(day: date, ahead: int) -> list[date]:
    """The month of the day, and so many more."""
    months = [day.replace(day=1)]
    while len(months) <= ahead:
        months.append(month_after(months[-1]))
    return months
