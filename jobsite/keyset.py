"""Pages of long tables, each found by the last row of the one before: no counting, no skipping of rows (P9).

The address carries the row as ``after`` or ``before``; one that cannot be read means the first page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.utils.functional import cached_property

AFTER, BEFORE = "after", "before"


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Any]
    # Cursors of the neighbouring pages; empty where there is none.
    older: str
    newer: str


def beyond(order: Iterable[tuple[str, bool]], values: Iterable[Any]) -> Q:
    """Rows that come after the one with these values; ``order``: each column, and whether it descends."""
    steps = [
        (column, "lt" if descends else "gt", value)
        for (column, descends), value in zip(order, values, strict=True)
    ]
    condition, equal = Q(), Q()
    for column, step, value in steps:
        condition |= equal & Q(**{f"{column}__{step}": value})
        equal &= Q(**{column: value})
    # The same once more for the first column alone: by it every database finds the place in the index.
    column, step, value = steps[0]
    return Q(**{f"{column}__{step}e": value}) & condition


def to_cursor(values: list[Any]) -> str:
    """Texts and numbers as a word for addresses."""
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(cursor: str) -> list[Any]:
    """What ``to_cursor`` was given. Raises ValueError where this is no cursor."""
    try:
        padded = (cursor + "=" * (-len(cursor) % 4)).encode("ascii")
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except RecursionError as error:
        raise ValueError(cursor[:100]) from error
    if not isinstance(values, list) or not values:
        raise ValueError(cursor[:100])
    return values


class Keyset:
    """One order of a model's rows: columns without NULL, each with a leading "-" where it descends, the key last."""

    def __init__(self, model: type[Model], order: list[str]) -> None:
        self._parts: list[tuple[Field[Any, Any], bool]] = []
        for name in order:
            field = model._meta.pk if name.lstrip("-") == "pk" else model._meta.get_field(name.lstrip("-"))
            assert isinstance(field, Field)  # noqa: S101 (for mypy)
            assert not field.null, f"{field} may be NULL: no order to page by"  # noqa: S101
            self._parts.append((field, name.startswith("-")))

    def page(self, rows: QuerySet[Any], size: int, *, after: str = "", before: str = "") -> Page:
        """At most ``size`` rows next to the cursor, in the keyset's order."""
        values = self._decode(after or before)
        back = bool(before) and not after and values is not None
        names = [("-" if descends != back else "") + (field.attname) for field, descends in self._parts]
        wanted = rows.order_by(*names)
        if values is not None:
            wanted = wanted.filter(self._beyond(values, back))
        found = list(wanted[: size + 1])
        more = len(found) > size
        found = found[:size]
        if back:
            found.reverse()
        if not found:
            return Page([], "", "")
        has_older, has_newer = (True, more) if back else (more, values is not None)
        return Page(
            found,
            self._encode(found[-1]) if has_older else "",
            self._encode(found[0]) if has_newer else "",
        )

    def _beyond(self, values: list[Any], back: bool) -> Q:
        return beyond([(field.attname, descends != back) for field, descends in self._parts], values)

    def _encode(self, row: Any) -> str:
        return to_cursor([field.value_to_string(row) for field, _descends in self._parts])

    def _decode(self, cursor: str) -> list[Any] | None:
        """The values that a cursor names; None when it names none."""
        try:
            texts = from_cursor(cursor)
            return [field.to_python(text) for (field, _), text in zip(self._parts, texts, strict=True)]
        except (ValueError, TypeError, ValidationError):
            return None


class KeysetPaginator:
    """What the admin asks of a paginator, for a page that has been found already."""

    template_name = "jobsite/keyset.html"
    num_pages = 1

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    @cached_property
    def count(self) -> int:
        return len(self.rows)

    def get_elided_page_range(self, *_args: Any, **_kwargs: Any) -> list[int]:
        return [1]
