"""Groups: tasks that belong together and are paused together."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows
from scheduling.models import Group
from scheduling.services import groups


class GroupSerializer(CleanModelSerializer):
    class Meta:
        model = Group
        fields = (*groups.EDITABLE, "paused")
        read_only_fields = ("paused",)


HELD = inline_serializer("GroupTasks", {"tasks": serializers.IntegerField()})


class GroupViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    lookup_field = "key"
    lookup_value_regex = "[a-z0-9][a-z0-9_.-]{0,99}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"key": ("key",), "-key": ("-key",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("scheduling.group"),
        "pause": ("scheduling.pause_task",),
        "resume": ("scheduling.pause_task",),
    }

    def store_new(self, serializer: GroupSerializer) -> Group:
        return groups.save(serializer.build(), actor=self.actor())

    store = store_new

    def remove(self, group: Group) -> None:
        groups.delete(group, actor=self.actor())

    @extend_schema(request=None, responses=HELD, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def pause(self, request: Any, key: str) -> Response:
        """No task of it gets scheduled runs; answers how many tasks it has."""
        return Response({"tasks": groups.pause(self.get_object().pk, actor=self.actor())})

    @extend_schema(request=None, responses=HELD, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def resume(self, request: Any, key: str) -> Response:
        """Its tasks go on from now; those paused by themselves stay paused. Answers how many tasks it has."""
        return Response({"tasks": groups.resume(self.get_object().pk, actor=self.actor())})
