"""Nodes: the scheduler processes, living and gone."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response

from jobsite.rest.permissions import of_model
from jobsite.rest.views import HouseViewSet, Lists, Shows
from scheduling.models import Node
from scheduling.services import nodes


class SeatsSerializer(serializers.Serializer):
    used = serializers.IntegerField()
    total = serializers.IntegerField()


class NodeSerializer(serializers.ModelSerializer):
    queues = serializers.ListField(child=serializers.CharField(), read_only=True)
    seats = serializers.DictField(
        child=SeatsSerializer(),
        source="seats_now",
        read_only=True,
        help_text=_("By executor: how many runs it has, and how many it can have at the same time."),
    )
    running = serializers.IntegerField(read_only=True, help_text=_("Its runs, of all executors."))

    class Meta:
        model = Node
        fields = (
            "id", "kind", "state", "detail", "warning", "host", "pid", "version", "queues", "seats", "running",
            "started_at", "heartbeat_at", "drain_asked_at", "ended_at", "lease_seconds",
        )  # fmt: skip
        read_only_fields = fields


class NodeDetailSerializer(NodeSerializer):
    functions = serializers.ListField(child=serializers.CharField(), read_only=True)
    events = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text=_("APScheduler's events by kind, how often since the node began; a few seconds old."),
    )

    class Meta:
        model = Node
        fields = (*NodeSerializer.Meta.fields, "functions", "events")
        read_only_fields = fields


class NodeViewSet(Lists, Shows, HouseViewSet):
    queryset = Node.objects.all()
    lookup_value_regex = "[0-9a-f-]{36}"
    filterset_fields = ("state", "kind")
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {
        "-started_at": ("-started_at", "-id"),
        "started_at": ("started_at", "id"),
    }
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("scheduling.node", "list", "retrieve"),
        "drain": ("scheduling.drain_node",),
    }

    def get_serializer_class(self) -> Any:
        return NodeSerializer if self.action == "list" else NodeDetailSerializer

    def prepared(self, page: list[Any]) -> list[Any]:
        """With what each runs: one statement along the index of running executions."""
        seats = nodes.seats_of(page)
        for node in page:
            node.seats_now = {each.executor: each for each in seats[node.pk]}
            node.running = sum(each.used for each in seats[node.pk])
        return page

    def shown(self, row: Node) -> Any:
        return super().shown(self.prepared([row])[0])

    @extend_schema(request=None, responses={202: NodeDetailSerializer}, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def drain(self, request: Any, pk: str) -> Response:
        """Asks it to claim nothing more, to let its runs end, and to stop; it sees that within 2 s."""
        node = nodes.drain(self.get_object().pk, actor=self.actor())
        return self.answer(node, status.HTTP_202_ACCEPTED)
