"""Executions in JSON: the same names as ``list_executions --json``."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobsite.rest import fields
from jobsite.rest.serializers import StrictSerializer
from scheduling.api.task_serializers import as_mapping
from scheduling.models import ENDED, Attempt, Execution, ExecutionLog

SHORT = (
    "id", "task", "function", "origin", "scheduled_for", "state", "reason", "detail", "queue", "node", "attempt",
    "queued_at", "started_at", "finished_at", "duration_seconds", "error",
)  # fmt: skip


class Duration(serializers.FloatField):
    """Stored in milliseconds, told in seconds."""

    def to_representation(self, value: Any) -> float:
        return float(value) / 1000


class ExecutionSerializer(serializers.ModelSerializer):
    task = serializers.CharField(source="task_key", read_only=True)
    node = serializers.UUIDField(source="node_id", read_only=True, allow_null=True)
    duration_seconds = Duration(source="run_ms", read_only=True, allow_null=True)
    error = serializers.SerializerMethodField()

    class Meta:
        model = Execution
        fields = SHORT
        read_only_fields = SHORT

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_error(self, execution: Execution) -> str | None:
        return execution.message or None


class AttemptSerializer(serializers.ModelSerializer):
    node = serializers.UUIDField(source="node_id", read_only=True, allow_null=True)
    duration_seconds = Duration(source="run_ms", read_only=True, allow_null=True)
    cpu_seconds = Duration(source="cpu_ms", read_only=True, allow_null=True)
    error = serializers.CharField(source="message", read_only=True)

    class Meta:
        model = Attempt
        fields = (
            "attempt", "state", "reason", "detail", "node", "started_at", "finished_at", "duration_seconds",
            "exit_code", "cpu_seconds", "peak_memory_bytes", "error_class", "error", "traceback",
            "late_state", "late_at",
        )  # fmt: skip
        read_only_fields = fields


class ExecutionDetailSerializer(ExecutionSerializer):
    requested_by = serializers.SerializerMethodField()
    rerun_of = serializers.IntegerField(source="rerun_of_id", read_only=True, allow_null=True)
    parameters = serializers.JSONField(read_only=True)
    result = serializers.JSONField(read_only=True, allow_null=True)
    cpu_seconds = Duration(
        source="cpu_ms", read_only=True, allow_null=True,
        help_text=_("Of its own processes, as far as it was seen; null: it had none."),
    )  # fmt: skip
    attempts = serializers.SerializerMethodField(help_text=_("Earlier attempts, superseded by a retry."))

    class Meta:
        model = Execution
        fields = (
            *SHORT, "task_version", "executor", "weight", "timeout_seconds", "memory_limit_mb",
            "cpu_limit_seconds", "available_at", "deadline_at", "overdue",
            "cancel_requested_at", "requested_by", "rerun_of", "covers_until", "covers_count", "parameters",
            "progress_done", "progress_total", "progress_text", "result", "result_altered", "error_class",
            "traceback", "exit_code", "cpu_seconds", "peak_memory_bytes", "attempts",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_requested_by(self, execution: Execution) -> str | None:
        who = execution.requested_by if execution.requested_by_id else None
        return who.get_username() if who else None

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, execution: Execution) -> Any:
        rows = Attempt.objects.filter(execution_id=execution.pk).order_by("attempt")[:100]
        return AttemptSerializer(rows, many=True).data


class RetrySerializer(StrictSerializer):
    parameters = fields.Json(required=False, help_text=_("All of them; none: those of this execution."))
    force = fields.YesNo(required=False, default=False, help_text=_("Run beside a run of the same task."))

    def validate_parameters(self, value: Any) -> dict[str, Any]:
        return as_mapping(value)


class LogLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = ExecutionLog
        fields = ("attempt", "seq", "at", "level", "text")
        read_only_fields = fields


class LogSerializer(serializers.Serializer):
    state = serializers.CharField()
    ended = serializers.BooleanField(help_text=_("Nothing more will come."))
    after = serializers.CharField(help_text=_("Ask for what comes after this."))
    lines = LogLineSerializer(many=True)


def log_answer(execution: Execution, rows: list[ExecutionLog], after: str, limit: int) -> Any:
    if rows:
        after = f"{rows[-1].attempt}.{rows[-1].seq}"
    ended = execution.state in ENDED and len(rows) < limit
    values = {"state": execution.state, "ended": ended, "after": after, "lines": rows}
    return LogSerializer(values).data
