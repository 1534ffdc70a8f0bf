"""Queues: who takes from them, and pausing one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.response import Response

from jobsite.rest.views import HouseView
from scheduling.api.task_serializers import ReasonSerializer
from scheduling.services import queues
from scheduling.services.actor import Actor

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH)


class QueueSerializer(serializers.Serializer):
    name = serializers.CharField()
    nodes = serializers.IntegerField(help_text=_("Live ones that take from it."))
    has_queued = serializers.BooleanField(help_text=_("Something waits in it for a seat."))
    paused = serializers.BooleanField()
    paused_at = serializers.DateTimeField(allow_null=True)
    paused_by = serializers.CharField(allow_null=True)
    reason = serializers.CharField()


def _row(queue: queues.Queue) -> dict[str, Any]:
    at_rest = queue.paused
    by = at_rest.paused_by if at_rest else None
    return {
        "name": queue.name,
        "nodes": queue.nodes,
        "has_queued": queue.has_queued,
        "paused": at_rest is not None,
        "paused_at": at_rest.paused_at if at_rest else None,
        "paused_by": by.get_username() if by else None,
        "reason": at_rest.reason if at_rest else "",
    }


class QueuesView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_task",)}

    @extend_schema(responses=QueueSerializer(many=True))
    def get(self, request: Any) -> Response:
        """Those that a task or a live node names, and those that are paused, by name."""
        return Response(QueueSerializer([_row(queue) for queue in queues.all_queues()], many=True).data)


class PauseQueueView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"post": ("scheduling.pause_queue",)}

    @extend_schema(parameters=[NAME], request=ReasonSerializer, responses={204: None})
    def post(self, request: Any, name: str) -> Response:
        """Nothing of it starts any more, whoever asked for it; what runs goes on."""
        asked = ReasonSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = Actor(user=request.user, source="api", reason=asked.validated_data.get("reason", ""))
        queues.pause(name, actor=actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ResumeQueueView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"post": ("scheduling.pause_queue",)}

    @extend_schema(parameters=[NAME], request=None, responses={204: None})
    def post(self, request: Any, name: str) -> Response:
        """Lets it go on."""
        queues.resume(name, actor=Actor(user=request.user, source="api"))
        return Response(status=status.HTTP_204_NO_CONTENT)
