"""Collections, and what came of each instance."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from instances.models import SyncRecord, SyncSession
from jobsite.rest.permissions import of_model
from jobsite.rest.views import HouseViewSet, Lists, Shows


class SessionSerializer(serializers.ModelSerializer):
    created_by = serializers.SlugRelatedField(slug_field="username", read_only=True, allow_null=True)
    execution = serializers.IntegerField(source="execution_id", read_only=True, allow_null=True)

    class Meta:
        model = SyncSession
        fields = (
            "id", "category", "origin", "status", "total", "succeeded", "failed", "skipped", "created_by",
            "execution", "started_at", "finished_at",
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


class SessionViewSet(Lists, Shows, HouseViewSet):
    queryset = SyncSession.objects.select_related("created_by")
    serializer_class = SessionSerializer
    filterset_fields = ("category", "origin", "status")
    lookup_value_regex = "[0-9a-f-]{36}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {
        "-started_at": ("-started_at", "-id"),
        "started_at": ("started_at", "id"),
    }
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("instances.syncsession", "list", "retrieve"),
        "records": ("instances.view_syncsession", "instances.view_syncrecord"),
    }

    @extend_schema(responses=RecordSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], orderings={"id": ("id",), "-id": ("-id",)})
    def records(self, request: Any, pk: str) -> Response:
        """What came of each instance."""
        rows = SyncRecord.objects.filter(session=self.get_object()).select_related("instance")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(RecordSerializer(page, many=True).data)
