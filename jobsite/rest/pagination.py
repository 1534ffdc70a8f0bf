"""Pages that go on from the last row's key: no COUNT, no OFFSET, the thousandth as fast as the first (P9)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from jobsite.keyset import beyond, from_cursor, to_cursor
from scheduling.text import clean
from scheduling.words import did_you_mean

PARAMETERS = ("cursor", "limit", "ordering")
SIZE, MOST = 50, 1_000
LEAST_NUMBER, MOST_NUMBER = -(2**63), 2**63 - 1


class Keyset(BasePagination):
    """``view.orderings``: name → the fields of an index that ends in something unique; the first is the default."""

    def paginate_queryset(self, queryset: QuerySet[Any], request: Any, view: Any = None) -> list[Any]:
        self._request = request
        self._limit, self._name = self.asked(request, view.orderings)
        self._fields = view.orderings[self._name]
        after = request.query_params.get("cursor")
        if after:
            queryset = queryset.filter(self._beyond(after, queryset.model))
        rows = list(queryset.order_by(*self._fields)[: self._limit + 1])
        self._has_more = len(rows) > self._limit
        self._last = rows[self._limit - 1] if self._has_more else None
        return rows[: self._limit]

    def asked(self, request: Any, orderings: Any) -> tuple[int, str]:
        """How many rows and in which order. Raises ValidationError."""
        parameters = request.query_params
        return _limit(parameters.get("limit")), _ordering(parameters.get("ordering"), orderings)

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next(), "results": data})

    def _next(self) -> str | None:
        if self._last is None:
            return None
        values = [_plain(getattr(self._last, _attname(self._last, name))) for name in self._fields]
        return link(self._request, to_cursor([self._name, *values]))

    def _beyond(self, cursor: str, model: type[Model]) -> Q:
        """The rows after the cursor's, by the whole key; its first field also bounds the index."""
        order = [(field.lstrip("-"), field.startswith("-")) for field in self._fields]
        return beyond(order, self._values(cursor, model))

    def _values(self, cursor: str, model: type[Model]) -> list[Any]:
        refusal = ValidationError({"cursor": [_("This is no cursor of this list: begin without one.")]})
        try:
            name, *raw = from_cursor(cursor)
            if name != self._name or len(raw) != len(self._fields):
                raise refusal
            return [
                _typed(model, field.lstrip("-"), value)
                for field, value in zip(self._fields, raw, strict=True)
            ]
        except (ValueError, TypeError, Invalid):
            raise refusal from None

    # --- what the schema says

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        following = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": following, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        def parameter(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
            return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}

        names = list(getattr(view, "orderings", {}))
        return [
            parameter("cursor", {"type": "string"}, _("Where the last page ended: take it from `next`.")),
            parameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MOST, "default": SIZE},
                _("Rows of a page."),
            ),
            parameter(
                "ordering",
                {"type": "string", "enum": names, "default": names[0]},
                _("The order of the rows."),
            ),
        ]


def link(request: Any, cursor: str) -> str:
    """The address of the page that begins there."""
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))


def _limit(text: str | None) -> int:
    if text is None:
        return SIZE
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= MOST):
        told = _("A whole number from %(low)d to %(high)d is needed.") % {"low": 1, "high": MOST}
        raise ValidationError({"limit": [told]})
    return int(text)


def _ordering(text: str | None, known: dict[str, Any]) -> str:
    if text is None:
        return next(iter(known))
    if text not in known:
        told = _("%(value)r is not known.") % {"value": text[:100]}
        raise ValidationError({"ordering": [told + did_you_mean(text[:100], known)]})
    return text


def _attname(row: Model, field: str) -> str:
    return str(row._meta.get_field(field.lstrip("-")).attname)  # type: ignore[union-attr]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str) else str(value)


def _typed(model: type[Model], name: str, value: Any) -> Any:
    """The value as the field has it; raises ValueError or Django's ValidationError."""
    field: Any = model._meta.get_field(name)
    typed = (field.target_field if field.is_relation else field).to_python(value)
    if type(typed) in (str, int) and type(typed) is not type(value):
        raise ValueError(name)
    if typed is None or (isinstance(typed, str) and clean(typed) != typed):
        raise ValueError(name)
    if isinstance(typed, int) and not LEAST_NUMBER <= typed <= MOST_NUMBER:
        raise ValueError(name)
    return typed
