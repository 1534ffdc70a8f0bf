"""When a task runs next, and what it was before."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.response import Response

from scheduling import clock
from scheduling.api.task_serializers import VersionSerializer
from scheduling.api.triggers import AfterSerializer, PreviewAnswerSerializer, preview_answer
from scheduling.models import TaskVersion
from scheduling.triggers.preview import preview_of

NEEDS: dict[str, tuple[str, ...]] = {
    "next_runs": ("scheduling.view_task",),
    "versions": ("scheduling.view_task", "scheduling.view_taskversion"),
}


class TaskHistory:
    """A part of the tasks' views."""

    @extend_schema(parameters=[AfterSerializer], responses=PreviewAnswerSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="next-runs", pagination_class=None)
    def next_runs(self: Any, request: Any, key: str) -> Response:
        """The coming times of its schedule, as the scheduler computes them; also of a task that is at rest."""
        asked = AfterSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        trigger = self.get_object().build_trigger()
        found = preview_of(trigger, after=values.get("after") or clock.now(), count=values["count"])
        return Response(preview_answer(found))

    @extend_schema(responses=VersionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], orderings={"-version": ("-version",), "version": ("version",)})
    def versions(self: Any, request: Any, key: str) -> Response:
        """What it was after each change, who changed it, when and why; newest first."""
        rows = TaskVersion.objects.filter(task_id=self.get_object().pk).select_related("by")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(VersionSerializer(page, many=True).data)
