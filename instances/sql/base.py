"""What a database can do with partitions by month; this class is the one that cannot (SQLite)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition as the database keeps it."""

    name: str
    #: The first day in it, and the first day after it; None: no bound. Both None: what fits nowhere else.
    start: date | None
    end: date | None
    #: As the database estimates them.
    rows: int
    bytes: int

    @property
    def is_default(self) -> bool:
        return self.start is None and self.end is None


class Partitions:
    """All statements on one connection."""

    supported: ClassVar[bool] = False

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def is_partitioned(self, table: str) -> bool:
        return False

    def listed(self, table: str) -> list[Partition]:
        """Oldest first; what fits nowhere else comes last. Empty: the table is plain."""
        return []

    def upgrade(self, table: str, column: str, months: Sequence[date]) -> None:
        """Makes a plain table a partitioned one with these months (contiguous) and a default partition.

        All or nothing: whatever ends it, the table is either as it was or has every row in its partition.
        """
        raise NotImplementedError

    def create(self, table: str, column: str, months: Sequence[date]) -> list[str]:
        """Makes partitions for these months where there are none, and moves rows of the default partition into
        them; gives their names.
        """
        raise NotImplementedError

    def drop(self, table: str, name: str) -> None:
        raise NotImplementedError

    def count(self, table: str, name: str) -> int:
        """The rows of one partition, counted."""
        raise NotImplementedError

    def months_in_default(self, table: str, column: str) -> list[date]:
        """The months of rows that fit nowhere else."""
        raise NotImplementedError

    def is_refusal(self, error: Exception) -> bool:
        """Whether the database says by this error that its user has not the right."""
        return False

    def missing_rights(self, table: str) -> list[str]:
        """The statements by which somebody with more rights would let this user make, drop and upgrade the table's
        partitions; empty when it may.
        """
        return []

    # --- For the classes above ---------------------------------------------------------------------------------

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, list(values) or None)
            return list(cursor.fetchall()) if cursor.description else []

    def name(self, name: str) -> str:
        return str(self.connection.ops.quote_name(name))


def partition_name(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def default_name(table: str) -> str:
    return f"{table}_default"


def month_of(table: str, name: str) -> date | None:
    """The month that a partition's name says; None for other names."""
    found = re.fullmatch(re.escape(table) + r"_(\d{4})_(\d{2})", name)
    return date(int(found[1]), int(found[2]), 1) if found and 1 <= int(found[2]) <= 12 else None


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
