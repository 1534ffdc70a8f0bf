"""What a schedule means, before it is saved."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from jobsite.rest import fields
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling import clock, triggers
from scheduling.models import Calendar, Task
from scheduling.services import forecast, previews

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
    """A schedule as a task has it. With ``task``, what is left out is that task's own."""

    task = fields.Named(
        slug_field="key",
        queryset=Task.objects.present().select_related("group", "calendar"),
        required=False,
        help_text=_("The key of a stored task."),
    )
    key = fields.Text(
        required=False, max_length=100, help_text=_("Of the task to be: H and the spread come from it.")
    )
    trigger = fields.Text(required=False, max_length=50)
    trigger_params = fields.Json(required=False)
    time_zone = fields.Text(required=False, max_length=64)
    start_at = fields.Moment(required=False, allow_null=True)
    end_at = fields.Moment(required=False, allow_null=True)
    clock_gap = fields.Text(required=False, max_length=20)
    clock_overlap = fields.Text(required=False, max_length=20)
    calendar = fields.Named(
        slug_field="key", queryset=Calendar.objects.all(), required=False, allow_null=True
    )
    calendar_policy = fields.Text(required=False, max_length=20)
    spread_seconds = fields.WholeNumber(required=False)
    max_runs = fields.WholeNumber(required=False, allow_null=True, min_value=1)
    after = fields.Moment(required=False, help_text=_("None: now."))
    count = fields.WholeNumber(required=False, default=10, min_value=1, max_value=MOST_TIMES)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = [name for name in ("trigger", "trigger_params") if name not in attrs]
        if missing and "task" not in attrs:
            raise serializers.ValidationError(dict.fromkeys(missing, fields.REQUIRED))
        return attrs


class ClockChangeSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    before = serializers.CharField(help_text=_("What the wall clock would have shown."))
    after = serializers.CharField(help_text=_("What it shows instead."))
    effect = serializers.CharField()
    text = serializers.CharField()


class CrowdSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    others = serializers.IntegerField(help_text=_("Other runs that begin in the same minute."))
    free_minute = serializers.IntegerField(
        allow_null=True, help_text=_("The emptiest minute of its hours; null: it has no single minute.")
    )
    free_minute_others = serializers.IntegerField()


class PreviewAnswerSerializer(serializers.Serializer):
    description = serializers.CharField(help_text=_("The schedule in words."))
    descriptions = serializers.DictField(
        child=serializers.CharField(), help_text=_("The same in each language, by its code.")
    )
    time_zone = serializers.CharField()
    times = serializers.ListField(child=serializers.DateTimeField(), help_text=_("In UTC."))
    local_times = serializers.ListField(
        child=serializers.CharField(), help_text=_("The same by the schedule's own clock.")
    )
    warnings = serializers.ListField(child=serializers.CharField())
    clock_changes = ClockChangeSerializer(many=True)
    crowd = CrowdSerializer(allow_null=True, help_text=_("The first of the times with many others."))
    crowd_known = serializers.BooleanField(
        help_text=_("False while the forecast is being computed: ask again a little later.")
    )


def preview_answer(task: Task, *, after: datetime, count: int) -> dict[str, Any]:
    """What the schedule of a task, stored or not, does. Raises InvalidTrigger."""
    seen = previews.explain(task, after=after, count=count, crowded_by=forecast.at_hand())
    zone = triggers.zone(task.time_zone)
    changes = [
        {
            "at": change.at,
            "kind": change.kind,
            "before": change.before.isoformat(),
            "after": change.after.isoformat(),
            "effect": change.effect,
            "text": change.text,
        }
        for change in seen.preview.clock_changes
    ]
    values = {
        "description": seen.preview.description,
        "descriptions": seen.descriptions,
        "time_zone": task.time_zone,
        "times": seen.preview.times,
        "local_times": [at.astimezone(zone).isoformat() for at in seen.preview.times],
        "warnings": seen.warnings,
        "clock_changes": changes,
        "crowd": seen.crowd,
        "crowd_known": seen.crowd_known,
    }
    return dict(PreviewAnswerSerializer(values).data)


class PreviewView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"post": ("scheduling.view_task",)}

    @extend_schema(request=PreviewSerializer, responses=PreviewAnswerSerializer)
    def post(self, request: Any) -> Response:
        """Says what a schedule means, when it would run, and what the coming clock changes do to it."""
        asked = PreviewSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        stored = values.pop("task", None)
        now = clock.now()
        after, count = values.pop("after", now), values.pop("count")
        # A schedule that is not stored is taken to begin at the moment that is asked about.
        task = previews.as_asked(stored, values, after if stored is None else now)
        return Response(preview_answer(task, after=after, count=count))
