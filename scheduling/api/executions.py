"""Executions: the history by cursor, one in full, its log, and what can be done to it."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.db.models import Q
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from jobsite.exports import Batches
from jobsite.rest.filters import StrictFilters
from jobsite.rest.idempotency import key_of, once
from jobsite.rest.permissions import of_model
from jobsite.rest.schema import IDEMPOTENT
from jobsite.rest.views import Exports, HouseViewSet, Shows
from scheduling.api.execution_filters import ExecutionFilters, wanted
from scheduling.api.execution_pages import HistoryPages, rows_of
from scheduling.api.execution_serializers import (
    ExecutionDetailSerializer,
    ExecutionSerializer,
    LogSerializer,
    RetrySerializer,
    log_answer,
)
from scheduling.api.task_serializers import ExplanationSerializer
from scheduling.models import Execution, ExecutionLog
from scheduling.services import executions, sheets
from scheduling.services import explain as explain_service

#: Pieces of a log in one answer, 8 KiB each at most.
LOG_PIECES = 100
AFTER = OpenApiParameter(
    "after",
    {"type": "string", "pattern": r"^\d{1,9}\.-?\d{1,9}$"},
    description="Only what came after: take it from the last answer.",
)


class ExecutionViewSet(Exports, Shows, HouseViewSet):
    queryset = Execution.objects.all()
    pagination_class = HistoryPages
    sheet = sheets.EXECUTIONS
    filterset_class = ExecutionFilters
    lookup_value_regex = r"\d{1,18}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"-id": ("-id",), "id": ("id",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("scheduling.execution", "list", "export", "retrieve"),
        "log": ("scheduling.view_execution",),
        "explain": ("scheduling.view_execution",),
        "cancel": ("scheduling.cancel_execution",),
        "retry": ("scheduling.run_task",),
    }

    def get_queryset(self) -> Any:
        return Execution.objects.select_related("requested_by")

    def list(self, request: Any) -> Response:
        """Newest first. A page may be short, or empty, and still have a next: then the search has come so far."""
        filters = StrictFilters().checked(request, self.get_queryset(), self)
        pages: HistoryPages = self.paginator
        ids = pages.find(request, wanted(filters.form.cleaned_data), self.orderings)
        return pages.get_paginated_response(self.get_serializer(rows_of(ids), many=True).data)

    def exported(self) -> Batches:
        filters = StrictFilters().checked(self.request, self.get_queryset(), self)
        return sheets.executions(wanted(filters.form.cleaned_data))

    def get_serializer_class(self) -> Any:
        return ExecutionDetailSerializer if self.action == "retrieve" else ExecutionSerializer

    @extend_schema(responses=ExplanationSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def explain(self, request: Any, pk: str) -> Response:
        """Why it is as it is, and where the time went before it started."""
        return Response(ExplanationSerializer(explain_service.of(self.get_object())).data)

    @extend_schema(parameters=[AFTER], responses=LogSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def log(self, request: Any, pk: str) -> Response:
        """What the run has said, in the order in which it was said."""
        execution = self.get_object()
        after = request.query_params.get("after", "")
        rows = ExecutionLog.objects.filter(execution_id=execution.pk)
        if after:
            if not re.fullmatch(r"\d{1,9}\.-?\d{1,9}", after, re.ASCII):
                raise ValidationError({"after": [_("Take it from the last answer, such as 1.42.")]})
            attempt, seq = map(int, after.split("."))
            rows = rows.filter(Q(attempt=attempt, seq__gt=seq) | Q(attempt__gt=attempt))
        lines = list(rows.order_by("attempt", "seq")[:LOG_PIECES])
        return Response(log_answer(execution, lines, after, LOG_PIECES))

    @extend_schema(request=None, responses={202: ExecutionSerializer}, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def cancel(self, request: Any, pk: str) -> Response:
        """Ends what has not started; asks what runs to end, which its node does within 2 s."""
        execution = executions.cancel(self.get_object().pk, actor=self.actor())
        return self.answer(execution, status.HTTP_202_ACCEPTED)

    @extend_schema(
        request=RetrySerializer, responses={202: ExecutionSerializer}, parameters=[IDEMPOTENT], filters=False
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    def retry(self, request: Any, pk: str) -> Response:
        """Runs it again, by the task as it is now; answers the execution that will run."""
        execution, values = self.get_object(), self.read(RetrySerializer)
        if values["force"]:
            self.require("scheduling.force_task")

        def work() -> tuple[int, Any]:
            again = executions.retry(
                execution.pk,
                values.get("parameters"),
                actor=self.actor(),
                idempotency_key=key_of(request),
                force=values["force"],
            )
            return status.HTTP_202_ACCEPTED, ExecutionSerializer(again).data

        return once(request, work)
