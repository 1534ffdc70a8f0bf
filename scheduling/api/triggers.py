"""What a schedule means, before it is saved."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from jobsite.rest import fields
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling import clock, triggers

MOST_TIMES = 1_000


class Count(fields.WholeNumber):
    """Also as it stands in an address: text."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and data.isascii() and data.isdecimal() and len(data) < 10:
            data = int(data)
        return super().to_internal_value(data)


class AfterSerializer(StrictSerializer):
    after = fields.Moment(required=False, help_text=_("None: now."))
    count = Count(required=False, default=10, min_value=1, max_value=MOST_TIMES)


class PreviewSerializer(StrictSerializer):
    trigger = fields.Text(max_length=50)
    trigger_params = fields.Json()
    time_zone = fields.Text(required=False, max_length=64)
    start_at = fields.Moment(required=False, allow_null=True)
    end_at = fields.Moment(required=False, allow_null=True)
    clock_gap = fields.Text(required=False, max_length=20)
    clock_overlap = fields.Text(required=False, max_length=20)
    after = fields.Moment(required=False, help_text=_("None: now."))
    count = fields.WholeNumber(required=False, default=10, min_value=1, max_value=MOST_TIMES)


class ClockChangeSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    before = serializers.CharField(help_text=_("What the wall clock would have shown."))
    after = serializers.CharField(help_text=_("What it shows instead."))
    effect = serializers.CharField()
    text = serializers.CharField()


class PreviewAnswerSerializer(serializers.Serializer):
    description = serializers.CharField(help_text=_("The schedule in words."))
    times = serializers.ListField(child=serializers.DateTimeField())
    warnings = serializers.ListField(child=serializers.CharField())
    clock_changes = ClockChangeSerializer(many=True)


def preview_answer(found: triggers.Preview) -> dict[str, Any]:
    changes = [
        {
            "at": change.at,
            "kind": change.kind,
            "before": change.before.isoformat(),
            "after": change.after.isoformat(),
            "effect": change.effect,
            "text": change.text,
        }
        for change in found.clock_changes
    ]
    values = {"description": found.description, "times": found.times, "warnings": found.warnings}
    return dict(PreviewAnswerSerializer(values | {"clock_changes": changes}).data)


class PreviewView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"post": ("scheduling.view_task",)}

    @extend_schema(request=PreviewSerializer, responses=PreviewAnswerSerializer)
    def post(self, request: Any) -> Response:
        """Says what a schedule means, when it would run, and what the coming clock changes do to it."""
        asked = PreviewSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        found = triggers.preview(
            values["trigger"],
            values["trigger_params"],
            zone=values.get("time_zone") or settings.JOBSITE_TASK_TIME_ZONE,
            start_at=values.get("start_at"),
            end_at=values.get("end_at"),
            gap=values.get("clock_gap", "run_after"),
            fold=values.get("clock_overlap", "first"),
            after=values.get("after") or clock.now(),
            count=values["count"],
        )
        return Response(preview_answer(found))
