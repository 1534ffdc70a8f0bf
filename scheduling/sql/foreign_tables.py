"""Tables of other programs, read as they are."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

#: Rows of one table that are read.
MOST_ROWS = 20_000


def read_table(connection: BaseDatabaseWrapper, table: str) -> list[dict[str, Any]] | None:
    """All columns of its rows; None when there is no such table. The name is quoted, not trusted."""
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return None
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(MOST_ROWS)]
