"""Lists as CSV: written while they are read, a bounded number of rows, and harmless to spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext as _

from jobsite.keyset import Keyset

#: Rows of one file, and how many are read at a time.
MOST = 50_000
BATCH = 1_000
#: Spreadsheets take a cell that begins so for a formula; an apostrophe before it makes it text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

Batches = Iterable[list[Any]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one kind of rows looks like in a file. Names and values are those of the API."""

    name: str
    # Along an index whose columns hold no NULL; its end is unique.
    order: tuple[str, ...]
    # Name → where the value is found ("group.key"), or what finds it.
    columns: Mapping[str, str | Callable[[Any], Any]]
    # Other tables whose rows the columns look at.
    related: tuple[str, ...] = ()


def batches(sheet: Sheet, rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """The rows, some at a time, each time from where the last ones ended: no transaction and no cursor stays open."""
    keyset, after = Keyset(rows.model, list(sheet.order)), ""
    wanted = rows.prefetch_related(*sheet.related)  # no join: MariaDB would sort all rows for each batch
    while True:
        page = keyset.page(wanted, BATCH, after=after)
        yield page.rows
        if not (after := page.older):
            return


def answer(sheet: Sheet, found: Batches) -> StreamingHttpResponse:
    """The file, for download. Its last line says so when it was cut; ``X-Rows-At-Most`` says where that is."""
    response = StreamingHttpResponse(_lines(sheet, found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{sheet.name}.csv"'
    response["X-Rows-At-Most"] = str(MOST)
    response["Cache-Control"] = "no-store"
    return response


def file(name: str, text: str) -> HttpResponse:
    """A CSV text for download; its first bytes make spreadsheets take it for UTF-8."""
    response = HttpResponse("\ufeff" + text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def guarded(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _lines(sheet: Sheet, found: Batches) -> Iterator[str]:
    yield _line(sheet.columns)
    left = MOST
    for rows in found:
        if rows:
            yield "".join(_line(_cells(sheet, row)) for row in rows[:left])
        left -= len(rows)
        if left < 0:
            yield _line([_("# Cut after %(most)d rows: narrow the list for the others.") % {"most": MOST}])
            return


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([guarded(cell) for cell in cells])
    return text.getvalue()


def _cells(sheet: Sheet, row: Any) -> Iterator[Any]:
    for place in sheet.columns.values():
        yield _plain(place(row) if callable(place) else _found(row, place))


def _found(row: Any, place: str) -> Any:
    value = row
    for name in place.split("."):
        value = None if value is None else getattr(value, name)
    return value


def _plain(value: Any) -> Any:
    """As the API says it: moments in UTC, truth in lower case, what has parts as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return value
    return str(value)
