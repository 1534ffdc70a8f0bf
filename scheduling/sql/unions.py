"""Several short walks along indexes as one statement: each query is answered from its own index, none is sorted.

``WHERE state IN (…) ORDER BY id DESC LIMIT 50`` makes the databases sort all rows of those states, or walk the
primary key until fifty have turned up. One limited query a state, put together, reads fifty entries of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet

Query = QuerySet[Any, Any]


@dataclass(frozen=True, slots=True)
class Walk:
    """A query with an order and a limit, and the index that yields its rows in that order.

    MariaDB and MySQL are told to take it: among several that begin with the same column they choose one that
    makes them sort. PostgreSQL and SQLite find it themselves.
    """

    rows: Query
    index: str

    @property
    def statement(self) -> tuple[str, tuple[Any, ...]]:
        text, params = self.rows.query.get_compiler(connection=connection).as_sql()
        return with_index(text, self.rows.model, self.index), tuple(params)


def with_index(text: str, model: type[Model], index: str) -> str:
    """A query of that model's table that MySQL and MariaDB answer from that index; for the others as it is."""
    if connection.vendor != "mysql":
        return text
    table = f"FROM {_name(model._meta.db_table)}"
    return text.replace(table, f"{table} FORCE INDEX ({_name(index)})", 1)


def rows_of(walks: Sequence[Walk]) -> list[tuple[Any, ...]]:
    """The rows of all of those walks, in no order."""
    texts, params = _parts(walks)
    parts = [f"SELECT * FROM ({text}) AS part{place}" for place, text in enumerate(texts)]
    return _run(" UNION ALL ".join(parts), _flat(params))


def moments_of(walk: Walk, places: Sequence[int]) -> list[tuple[int, datetime]]:
    """Of a walk for an id and a moment (its last column) with one number in it: what it gives for each number.

    Put into words once: a hundred queries take the ORM longer than the database.
    """
    text, params = walk.statement
    assert len(params) == 1, params  # noqa: S101
    column: Any = walk.rows.query.select[-1]
    converters = (*connection.ops.get_db_converters(column), *column.get_db_converters(connection))
    parts = [f"SELECT * FROM ({text}) AS part{number}" for number in range(len(places))]
    rows = []
    for id, value in _run(" UNION ALL ".join(parts), places):
        for convert in converters:
            value = convert(value, column, connection)
        rows.append((id, value))
    return rows


def rows_for(walk: Walk, wanted: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """The rows of a walk with only such values in it, for each list of others in their places; in no order.

    Put into words once, as above. The values are as the database takes them.
    """
    text, params = walk.statement
    assert all(len(values) == len(params) for values in wanted), params  # noqa: S101
    parts = [f"SELECT * FROM ({text}) AS part{number}" for number in range(len(wanted))]
    return _run(" UNION ALL ".join(parts), _flat(map(tuple, wanted)))


def counts_of(walks: Sequence[Walk]) -> list[int]:
    """How many rows each of those walks gives, in their order."""
    texts, params = _parts(walks)
    parts = [f"SELECT {place}, COUNT(*) FROM ({text}) AS part{place}" for place, text in enumerate(texts)]
    counted = dict(_run(" UNION ALL ".join(parts), _flat(params)))
    return [counted[place] for place in range(len(texts))]


def matching(walks: Sequence[Walk], values: Mapping[str, Sequence[Any]], order: str, limit: int) -> list[int]:
    """Ids among the rows of each of those walks that have one of the values in each column."""
    texts, params = _parts(walks)
    where = " AND ".join(
        f"{_name(column)} IN ({', '.join(['%s'] * len(any_))})" for column, any_ in values.items()
    )
    wanted = [value for any_ in values.values() for value in any_]
    way = "DESC" if order == "-id" else "ASC"
    parts = [
        f"SELECT id FROM (SELECT id FROM ({text}) AS walk{place} WHERE {where} ORDER BY id {way} LIMIT {limit:d})"
        f" AS part{place}"
        for place, text in enumerate(texts)
    ]
    return [
        id
        for (id,) in _run(" UNION ALL ".join(parts), [each for part in params for each in (*part, *wanted)])
    ]


def ends_of(walks: Sequence[Walk], order: str) -> list[tuple[int, int]]:
    """Of each of those walks with an ``id``: how many rows it gives, and the last one's id (0: none)."""
    texts, params = _parts(walks)
    last = "MIN" if order == "-id" else "MAX"
    parts = [
        f"SELECT COUNT(*), COALESCE({last}(id), 0) FROM ({text}) AS part{place}"
        for place, text in enumerate(texts)
    ]
    return [(number, end) for number, end in _run(" UNION ALL ".join(parts), _flat(params))]


def _parts(walks: Sequence[Walk]) -> tuple[list[str], list[tuple[Any, ...]]]:
    statements = [walk.statement for walk in walks]
    return [text for text, _params in statements], [params for _text, params in statements]


def _flat(params: Iterable[tuple[Any, ...]]) -> list[Any]:
    return [value for part in params for value in part]


def _name(column: str) -> str:
    return connection.ops.quote_name(column)


def _run(text: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return list(cursor.fetchall())
