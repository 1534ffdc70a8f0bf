"""What the views of both apps share: one line to a service each, and the same answers around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from jobsite import exports
from jobsite.rest.idempotency import once
from jobsite.rest.permissions import require
from jobsite.rest.schema import IDEMPOTENT
from scheduling.services.actor import Actor

Rows = list[Any]


class HouseView(APIView):
    """A view that is no set of rows."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}


class HouseViewSet(GenericViewSet):
    """Rows, read by everybody who may see them and written by services."""

    #: Action → the permissions it needs, all of them.
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: Name → fields of an index that ends in something unique (``Keyset``).
    orderings: ClassVar[Mapping[str, tuple[str, ...]]] = {"id": ("id",), "-id": ("-id",)}

    def actor(self, reason: str = "") -> Actor:
        return Actor(user=self.request.user, source="api", reason=reason)

    def require(self, *permissions: str) -> None:
        require(self.request.user, *permissions)

    def read(self, serializer_class: Any) -> dict[str, Any]:
        """The checked body."""
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def shown(self, row: Any) -> Any:
        """The row as a caller sees it."""
        return self.get_serializer(row).data

    def answer(self, row: Any, code: int = status.HTTP_200_OK) -> Response:
        return Response(self.shown(row), status=code)


class Lists:
    """GET of many."""

    def list(self: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(self.prepared(page), many=True).data)

    def prepared(self, page: Rows) -> Rows:
        """The rows of a page with what is read for all of them at once."""
        return page


class Anything(BaseContentNegotiation):
    """Whatever the asker accepts: the file is CSV, and a refusal is said as everywhere else."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class Exports:
    """GET of all that the filters leave, as CSV: ``sheet`` says what it looks like."""

    sheet: ClassVar[exports.Sheet]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR}, filters=True)
    @action(detail=False, methods=["get"], pagination_class=None, content_negotiation_class=Anything)
    def export(self: Any, request: Any) -> Any:
        """The list as a CSV file, at most 50 000 rows; the last line says so when it was cut."""
        return exports.answer(self.sheet, self.exported())

    def exported(self: Any) -> exports.Batches:
        return exports.batches(self.sheet, self.filter_queryset(self.get_queryset()))


class Shows:
    """GET of one."""

    def retrieve(self: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        return self.answer(self.get_object())


class Creates:
    """POST: ``store_new(serializer)`` gives the row that the service stored."""

    @extend_schema(parameters=[IDEMPOTENT])
    def create(self: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        def work() -> tuple[int, Any]:
            serializer = self.get_serializer(data=request.data)
            serializer.is_valid(raise_exception=True)
            return status.HTTP_201_CREATED, self.shown(self.store_new(serializer))

        return self.tagged(once(request, work))

    def tagged(self, response: Response) -> Response:
        """The answer with the headers that belong to the row."""
        return response


class Edits:
    """PUT and PATCH: ``store(serializer)`` gives the row that the service stored."""

    def update(self: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        """What is left out stays as it is, unless it is required."""
        serializer = self.get_serializer(
            self.get_object(), data=request.data, partial=kwargs.get("partial", False)
        )
        serializer.is_valid(raise_exception=True)
        return self.answer(self.store(serializer))

    def partial_update(self: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Only what is given changes."""
        return self.update(request, *args, **{**kwargs, "partial": True})


class Removes:
    """DELETE: ``remove(row)`` calls the service."""

    def destroy(self: Any, request: Any, *args: Any, **kwargs: Any) -> Response:
        self.remove(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class NoSuchPlace(APIView):
    """Any other address below /api/: the same body as every refusal."""

    schema = None
    permission_classes = (AllowAny,)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        raise NotFound
