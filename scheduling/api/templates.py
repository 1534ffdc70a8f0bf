"""Templates of tasks, and a task made of one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.response import Response

from jobsite.rest import fields
from jobsite.rest.idempotency import once
from jobsite.rest.schema import IDEMPOTENT
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling.api.task_serializers import REASON_CHARACTERS, TaskSerializer
from scheduling.exceptions import UnknownTemplate
from scheduling.models import Task
from scheduling.services import listing, templates
from scheduling.services.actor import Actor
from scheduling.services.templates import Template

NAME = OpenApiParameter("key", str, OpenApiParameter.PATH)


class VariableSerializer(serializers.Serializer):
    name = serializers.CharField()
    label = serializers.CharField()
    type = serializers.ChoiceField(choices=list(templates.TYPES))
    help = serializers.CharField()
    required = serializers.BooleanField()
    default = serializers.JSONField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())


class TemplateSerializer(serializers.Serializer):
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    category = serializers.CharField()
    function = serializers.CharField()
    variables = VariableSerializer(many=True)
    task = serializers.DictField(help_text=_("The fields of the task, with variables in their places."))


class CreateTaskSerializer(StrictSerializer):
    key = fields.Text(max_length=100, help_text=_("The key of the new task."))
    variables = fields.Json(
        required=False, default=dict, help_text=_("Values by the names of the variables.")
    )
    overrides = fields.Json(
        required=False,
        default=dict,
        help_text=_("Fields of the task that are given instead of the template's."),
    )
    reason = fields.Text(required=False, default="", allow_blank=True, max_length=REASON_CHARACTERS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        faults = {
            name: [_("An object is needed.")]
            for name in ("variables", "overrides")
            if not isinstance(attrs[name], dict)
        }
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


def template_or_404(key: str) -> Template:
    try:
        return templates.get(key)
    except UnknownTemplate as error:
        raise NotFound(str(error)) from error


class TemplatesView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_task",)}

    @extend_schema(operation_id="templates_list", responses=TemplateSerializer(many=True))
    def get(self, request: Any) -> Response:
        """All of them by key."""
        found = sorted(templates.all_templates().values(), key=lambda template: template.key)
        return Response(TemplateSerializer(found, many=True).data)


class TemplateView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"get": ("scheduling.view_task",)}

    @extend_schema(operation_id="templates_retrieve", parameters=[NAME], responses=TemplateSerializer)
    def get(self, request: Any, key: str) -> Response:
        """One of them."""
        return Response(TemplateSerializer(template_or_404(key)).data)


class CreateTaskView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"post": ("scheduling.add_task",)}

    @extend_schema(
        operation_id="templates_create_task", parameters=[NAME, IDEMPOTENT], request=CreateTaskSerializer,
        responses={201: TaskSerializer},
    )  # fmt: skip
    def post(self, request: Any, key: str) -> Response:
        """Makes a task of it."""
        template = template_or_404(key)
        asked = CreateTaskSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        actor = Actor(user=request.user, source="api", reason=values["reason"])

        def work() -> tuple[int, Any]:
            task: Task = templates.create_task(
                template,
                values["key"],
                variables=values["variables"],
                overrides=values["overrides"],
                actor=actor,
            )
            shown = listing.with_live_values([task])[0]
            return status.HTTP_201_CREATED, TaskSerializer(shown, context={"request": request}).data

        return once(request, work)
