"""Questions that are asked many times a second: the ORM puts each into words once.

To build and compile a query takes the ORM five times as long as PostgreSQL takes to answer it, and the engine asks
a dozen for each batch. What differs from time to time stands in the query as a ``Param``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BigIntegerField, CharField, DateTimeField, Expression, Field, QuerySet

from scheduling.sql.base import marks
from scheduling.sql.unions import with_index

Query = QuerySet[Any, Any]
Row = tuple[Any, ...]


MOST_KEPT = 100


class Param(Expression):
    """A value that is given when the query is asked; ``output_field`` says how it is stored."""

    def __init__(self, name: str, output_field: Field[Any, Any] | None = None) -> None:
        super().__init__(output_field=output_field or CharField())
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)

    def stored(self, value: Any) -> Any:
        return self.output_field.get_db_prep_value(value, connection=connection)


class Params(Param):
    """Any number of values, at least one, of a whole number each: ``pk__in=[Params("ids")]``."""

    def __init__(self, name: str) -> None:
        super().__init__(name, BigIntegerField())

    @property
    def place(self) -> str:
        return f"/* {self.name} */ %s"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return self.place, (self,)


class _Words(NamedTuple):
    text: str
    params: tuple[Any, ...]  # Param where a value is to be put
    converters: Any


class Prepared:
    """A query with ``values_list``, or several of the same columns, whose rows are put together in no order.

    ``build`` gets what the words themselves depend on (how many rows, which parts): few different things, for the
    words of each are kept, of ``MOST_KEPT`` at the most. Ask it in a transaction where it locks. ``index``: the one
    that MySQL and MariaDB are told to take, as in ``unions.Walk``.
    """

    def __init__(self, build: Callable[..., Query | list[Query]], index: str = "") -> None:
        self._build = build
        self._index = index
        self._known: dict[tuple[Hashable, ...], _Words] = {}

    def rows(self, *shape: Hashable, **values: Any) -> list[Row]:
        words = self._known.get(shape)
        if words is None:
            words = self._put(shape)
            if len(self._known) >= MOST_KEPT:
                self._known = {}
            self._known[shape] = words
        text, params = words.text, []
        for param in words.params:
            if isinstance(param, Params):
                several = list(values[param.name])
                text = text.replace(param.place, marks(several))
                params += several
            else:
                params.append(param.stored(values[param.name]) if isinstance(param, Param) else param)
        with connection.cursor() as cursor:
            cursor.execute(text, params)
            rows = list(cursor.fetchall())
        return _converted(rows, words.converters) if rows and words.converters else rows

    def _put(self, shape: tuple[Hashable, ...]) -> _Words:
        built = self._build(*shape)
        queries = built if isinstance(built, list) else [built]
        compilers = [query.query.get_compiler(connection=connection) for query in queries]
        texts, params = zip(*(compiler.as_sql() for compiler in compilers), strict=True)
        if self._index:
            texts = tuple(
                with_index(text, query.model, self._index) for text, query in zip(texts, queries, strict=True)
            )
        text = texts[0]
        if len(texts) > 1:
            text = " UNION ALL ".join(
                f"SELECT * FROM ({part}) AS part{place}" for place, part in enumerate(texts)
            )
        first = compilers[0]
        converters = first.get_converters([column for column, _sql, _alias in first.select])
        return _Words(text, tuple(each for part in params for each in part), converters)


def _converted(rows: list[Row], converters: Any) -> list[Row]:
    """What Django makes of each value, column by column. Of equal moments one: a batch mostly shares them."""
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for place, (steps, expression) in converters.items():
        known: dict[Any, Any] = {}
        may_share = isinstance(expression.output_field, DateTimeField)
        made = []
        for stored in columns[place]:
            if may_share and stored in known:
                value = known[stored]
            else:
                value = stored
                for step in steps:
                    value = step(value, expression, connection)
                if may_share:
                    known[stored] = value
            made.append(value)
        columns[place] = made
    return list(zip(*columns, strict=True))
