"""Collections, and what came of each instance."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response

from instances.api.filters import changed_since
from instances.models import SyncRecord, SyncSession
from instances.models.restriction import of_visible
from instances.services import requests, sheets
from jobsite.rest.filters import StrictFilters
from jobsite.rest.idempotency import key_of, once
from jobsite.rest.permissions import of_model
from jobsite.rest.schema import IDEMPOTENT
from jobsite.rest.views import Exports, HouseViewSet, Lists, Shows
from scheduling.api.execution_serializers import ExecutionSerializer


class SessionSerializer(serializers.ModelSerializer):
    created_by = serializers.SlugRelatedField(slug_field="username", read_only=True, allow_null=True)
    execution = serializers.IntegerField(source="execution_id", read_only=True, allow_null=True)

    class Meta:
        model = SyncSession
        fields = (
            "id", "category", "origin", "status", "total", "succeeded", "failed", "skipped", "created_by",
            "execution", "started_at", "finished_at", "cancel_requested_at", "retry_of",
        )  # fmt: skip
        read_only_fields = fields


class RecordSerializer(serializers.ModelSerializer):
    instance = serializers.SlugRelatedField(slug_field="name", read_only=True)
    details = serializers.DictField(read_only=True)

    class Meta:
        model = SyncRecord
        fields = (
            "id", "instance", "state", "created", "updated", "unchanged", "dropped", "error_code", "error", "details",
            "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class SessionCancelSerializer(serializers.Serializer):
    cancelled = serializers.IntegerField(help_text=_("Instances that are not visited any more."))


class SessionFilters(django_filters.FilterSet):
    since = changed_since("started_at")

    class Meta:
        model = SyncSession
        fields = ("category", "origin", "since", "status")


class RecordFilters(django_filters.FilterSet):
    # A number, not a choice of instances: which there are is not told to those who may not see them.
    instance = django_filters.NumberFilter(
        field_name="instance_id", min_value=1, max_value=2**63 - 1, decimal_places=0
    )

    class Meta:
        model = SyncRecord
        fields = ("instance", "state")


class SessionViewSet(Lists, Shows, Exports, HouseViewSet):
    sheet = sheets.SESSIONS
    queryset = SyncSession.objects.select_related("created_by")
    serializer_class = SessionSerializer
    filterset_class = SessionFilters
    lookup_value_regex = "[0-9a-f-]{36}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {
        "-started_at": ("-started_at", "-id"),
        "started_at": ("started_at", "id"),
    }
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("instances.syncsession", "list", "retrieve", "export"),
        "cancel": ("instances.view_syncsession", "scheduling.run_task"),
        "retry": ("instances.view_syncsession", "scheduling.run_task"),
        "records": ("instances.view_syncsession", "instances.view_syncrecord"),
    }

    @extend_schema(
        responses=RecordSerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter("instance", int),
            OpenApiParameter("state", str, enum=SyncRecord.State.values),
        ],
    )
    @action(
        detail=True,
        methods=["get"],
        orderings={"id": ("id",), "-id": ("-id",)},
        filterset_class=RecordFilters,
    )
    def records(self, request: Any, pk: str) -> Response:
        """What came of each instance that the caller may see; the session's numbers are of all of them."""
        rows = SyncRecord.objects.filter(session=self.get_object()).select_related("instance")
        rows = StrictFilters().checked(request, of_visible(rows, request.user), self).qs
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(RecordSerializer(page, many=True).data)

    @extend_schema(request=None, responses={202: SessionCancelSerializer}, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def cancel(self, request: Any, pk: str) -> Response:
        """Ends the session between instances: what has not begun does not begin, what is under way ends by itself."""
        cancelled = requests.cancel(self.get_object(), actor=self.actor())
        return Response({"cancelled": cancelled}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: ExecutionSerializer}, parameters=[IDEMPOTENT], filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def retry(self, request: Any, pk: str) -> Response:
        """Asks for another visit to the instances that failed or were left out; a running scheduler does it."""
        session = self.get_object()

        def work() -> tuple[int, Any]:
            execution = requests.retry(session, actor=self.actor(), idempotency_key=key_of(request))
            return status.HTTP_202_ACCEPTED, ExecutionSerializer(execution).data

        return once(request, work)
