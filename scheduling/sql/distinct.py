"""The different values of indexed columns, found by one step in the index each and not by reading every row.

PostgreSQL and SQLite read a whole index for SELECT DISTINCT; see "loose index scan" in PostgreSQL's wiki.
"""

from __future__ import annotations

from django.db import connection, models

STEPS = """
{name}(value, number) AS (
    SELECT MIN({column}), 1 FROM {table}
    UNION ALL
    SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > {name}.value), {name}.number + 1
    FROM {name} WHERE {name}.value IS NOT NULL AND {name}.number <= {most}
)"""
PART = "SELECT '{name}', value FROM {name} WHERE value IS NOT NULL AND value <> ''"


def values(model: type[models.Model], fields: list[str], most: int) -> dict[str, list[str]]:
    """The first ``most`` values of each text field in their order, empty ones left out. One statement.

    Each field must lead an index.
    """
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    names = {f"values_of_{field}": field for field in fields}
    columns = {field.name: quote(str(field.column)) for field in model._meta.fields}
    steps = [
        STEPS.format(name=name, table=table, column=columns[field], most=int(most))
        for name, field in names.items()
    ]
    parts = " UNION ALL ".join(PART.format(name=name) for name in names)
    found: dict[str, list[str]] = {field: [] for field in fields}
    with connection.cursor() as cursor:
        cursor.execute(f"WITH RECURSIVE {', '.join(steps)} {parts}")
        for name, value in cursor.fetchall():
            found[names[name]].append(value)
    return {field: sorted(values)[:most] for field, values in found.items()}
