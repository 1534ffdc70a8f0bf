"""Tasks in JSON, and the bodies of their verbs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobsite.rest import fields
from jobsite.rest.serializers import CleanModelSerializer, StrictSerializer
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Calendar, Dependency, Group, Pool, Task, TaskVersion
from scheduling.services import definitions
from scheduling.services.impact import LEAST_DAYS, MOST_DAYS

#: What a person may say when asked why.
REASON_CHARACTERS = 500
STATES = ("enabled", "disabled", "paused", "broken")


class ReasonSerializer(StrictSerializer):
    reason = fields.Text(
        required=False, allow_blank=True, max_length=REASON_CHARACTERS, help_text=_("Kept with the change.")
    )


class TaskSerializer(CleanModelSerializer):
    """A task. ``version`` is the one that was read: an edit of an older one is refused with 409."""

    group = fields.Named(slug_field="key", queryset=Group.objects.all(), required=False, allow_null=True)
    pool = fields.Named(slug_field="key", queryset=Pool.objects.all(), required=False, allow_null=True)
    calendar = fields.Named(
        slug_field="key", queryset=Calendar.objects.all(), required=False, allow_null=True
    )
    owner = fields.Named(
        slug_field="username",
        queryset=get_user_model()._default_manager.all(),
        required=False,
        allow_null=True,
    )
    version = fields.WholeNumber(required=False, min_value=1, max_value=2**31 - 1)
    reason = fields.Text(
        required=False, write_only=True, allow_blank=True, max_length=REASON_CHARACTERS,
        help_text=_("Kept with the change."),
    )  # fmt: skip
    state = serializers.SerializerMethodField()
    schedule = serializers.SerializerMethodField(help_text=_("The schedule in words."))
    next_run_time = serializers.SerializerMethodField()

    BESIDE: ClassVar[tuple[str, ...]] = ("version", "reason")

    class Meta:
        model = Task
        fields: tuple[str, ...] = (
            "key", *Task.DEFINITION, "paused", "built_in", "state", "schedule", "schedule_error", "next_run_time",
            "version", "created_at", "updated_at", "reason",
        )  # fmt: skip
        read_only_fields = ("enabled", "paused", "built_in", "schedule_error", "created_at", "updated_at")

    def build(self, attrs: Mapping[str, Any] | None = None) -> Any:
        """A new task has what its function declares, where nothing is said: as from a file."""
        values = self.validated_data if attrs is None else attrs
        if self.instance is None:
            values = definitions.function_defaults(str(values.get("function", ""))) | dict(values)
        return super().build(values)

    @extend_schema_field(serializers.ChoiceField(choices=STATES))
    def get_state(self, task: Task) -> str:
        if not task.enabled:
            return "disabled"
        if task.is_at_rest:
            return "paused"
        return "broken" if task.schedule_error or getattr(task, "lacks_function", False) else "enabled"

    def get_schedule(self, task: Task) -> str:
        try:
            return task.build_trigger().describe()
        except InvalidTrigger as error:  # a kind or a zone that this installation no longer has
            return str(error)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_next_run_time(self, task: Task) -> Any:
        at = getattr(task, "live_time", None)
        return serializers.DateTimeField().to_representation(at) if at else None


class ImpactSerializer(TaskSerializer):
    """A change that is not made: as that of PATCH."""

    days = fields.WholeNumber(
        required=False, write_only=True, default=LEAST_DAYS, min_value=LEAST_DAYS, max_value=MOST_DAYS,
        help_text=_("How far ahead it looks."),
    )  # fmt: skip

    BESIDE: ClassVar[tuple[str, ...]] = (*TaskSerializer.BESIDE, "days")

    class Meta(TaskSerializer.Meta):
        fields = (*TaskSerializer.Meta.fields, "days")


class ImpactAnswerSerializer(serializers.Serializer):
    days = serializers.IntegerField()
    until = serializers.DateTimeField(help_text=_("How far it looked: less when there are very many."))
    complete = serializers.BooleanField(help_text=_("Whether that is as far as was asked for."))
    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    moved = serializers.IntegerField(help_text=_("To another time of the same day."))
    kept = serializers.IntegerField()
    first_added = serializers.ListField(child=serializers.DateTimeField())
    first_removed = serializers.ListField(child=serializers.DateTimeField())
    first_moved = serializers.ListField(
        child=serializers.ListField(child=serializers.DateTimeField(), help_text=_("Before and after."))
    )
    retries = serializers.IntegerField(
        help_text=_("Runs that wait to be tried again; they stay as they are.")
    )
    queued = serializers.IntegerField(help_text=_("Runs that are queued or wait; they stay as they are."))


class ExplainSerializer(StrictSerializer):
    at = fields.Moment(required=False, help_text=_("The moment; none: what stands against it now."))


class LatenessSerializer(serializers.Serializer):
    """Seconds, one after the other, between the nominal time and the start; ``start``: around the function's own."""

    admission = serializers.FloatField(help_text=_("Until a node saw that it was due."))
    waiting = serializers.FloatField(help_text=_("Until it was allowed to start."))
    claim = serializers.FloatField(help_text=_("Until a node had a seat for it."))
    start = serializers.FloatField(
        allow_null=True, help_text=_("From the claim to the function and from its end to the stored one.")
    )


class ExplanationSerializer(serializers.Serializer):
    code = serializers.CharField(help_text=_("ran, runs, waits, did_not_run, not_due or unknown."))
    answer = serializers.CharField()
    facts = serializers.ListField(child=serializers.CharField())
    execution_id = serializers.IntegerField(allow_null=True)
    lateness = LatenessSerializer(allow_null=True, help_text=_("Of a run that has started."))


class RunSerializer(StrictSerializer):
    parameters = fields.Json(required=False, help_text=_("Replace those of the task, one by one."))
    force = fields.YesNo(required=False, default=False, help_text=_("Run beside a run of the same task."))
    run_at = fields.Moment(required=False, allow_null=True, help_text=_("Not before; none: at once."))

    def validate_parameters(self, value: Any) -> dict[str, Any]:
        return as_mapping(value)


def as_mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise serializers.ValidationError(_("The parameters must be an object: names and values."))
    return value


class RollbackSerializer(ReasonSerializer):
    version = fields.WholeNumber(min_value=1, max_value=2**31 - 1, help_text=_("The one to go back to."))
    seen_version = fields.WholeNumber(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text=_("The present one as it was read: refused with 409 when it is another by now."),
    )


class CloneSerializer(ReasonSerializer):
    key = fields.Text(max_length=100)
    name = fields.Text(required=False, max_length=200)


class DependencySerializer(StrictSerializer):
    task = fields.Text(max_length=100, help_text=_("The key of the task that it runs after."))
    on = fields.Choice(choices=Dependency.On.choices, required=False, default=Dependency.On.SUCCESS)


class DependenciesSerializer(ReasonSerializer):
    mode = fields.Choice(choices=("all", "any"), required=False, help_text=_("Left out: stays as it is."))
    dependencies = DependencySerializer(many=True, max_length=100)


class DependenciesAnswerSerializer(serializers.Serializer):
    mode = serializers.CharField()
    dependencies = DependencySerializer(many=True)


class ByFunctionSerializer(StrictSerializer):
    """A task from as little as possible: the rest is what the function declares and the usual defaults."""

    function = fields.Text(max_length=200)
    key = fields.Text(required=False, max_length=100, help_text=_("None: the function's name."))
    name = fields.Text(required=False, max_length=200, help_text=_("None: the function's label."))
    parameters = fields.Json(required=False)
    trigger = fields.Text(max_length=50)
    trigger_params = fields.Json()
    time_zone = fields.Text(required=False, max_length=64)


BULK_ACTIONS: dict[str, str] = {
    "run": "scheduling.run_task",
    "pause": "scheduling.pause_task",
    "resume": "scheduling.pause_task",
    "enable": "scheduling.enable_task",
    "disable": "scheduling.enable_task",
    "delete": "scheduling.delete_task",
}
MOST_KEYS = 1_000
#: What only the action run takes; each as in a run of one task.
OF_A_RUN = ("parameters", "force", "run_at")


class BulkSerializer(ReasonSerializer):
    action = fields.Choice(choices=list(BULK_ACTIONS))
    keys = serializers.ListField(child=fields.Text(max_length=100), min_length=1, max_length=MOST_KEYS)
    parameters = fields.Json(
        required=False, help_text=_("For run alone: replace those of each task, one by one.")
    )
    force = fields.YesNo(
        required=False, help_text=_("For run alone: run beside runs of the same task; needs force_task.")
    )
    run_at = fields.Moment(
        required=False, allow_null=True, help_text=_("For run alone: not before; none: at once.")
    )

    def validate_parameters(self, value: Any) -> dict[str, Any]:
        return as_mapping(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        alien = [name for name in OF_A_RUN if name in attrs and attrs["action"] != "run"]
        if alien:
            raise serializers.ValidationError({name: [_("Only the action run takes it.")] for name in alien})
        return attrs


class BulkResultSerializer(serializers.Serializer):
    key = serializers.CharField()
    ok = serializers.BooleanField()
    code = serializers.CharField(help_text=_("Empty when it was done."))
    detail = serializers.CharField()
    execution = serializers.IntegerField(allow_null=True, help_text=_("The run that was asked for."))


class BulkAnswerSerializer(serializers.Serializer):
    action = serializers.CharField()
    done = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = BulkResultSerializer(many=True)


class ReloadSerializer(StrictSerializer):
    yaml = fields.Text(
        required=False, trim_whitespace=False, allow_blank=True,
        help_text=_("The text of a file; none: the default tasks of the installation."),
    )  # fmt: skip
    force = fields.YesNo(
        required=False, default=False, help_text=_("Overwrite what people have edited or deleted.")
    )
    dry_run = fields.YesNo(
        required=False, default=False, help_text=_("Say what would be done, and do nothing.")
    )


class ProblemSerializer(serializers.Serializer):
    line = serializers.IntegerField()
    key = serializers.CharField()
    field = serializers.CharField()
    message = serializers.CharField()


class ReloadAnswerSerializer(serializers.Serializer):
    added = serializers.ListField(child=serializers.CharField())
    updated = serializers.ListField(child=serializers.CharField())
    unchanged = serializers.ListField(child=serializers.CharField())
    kept = serializers.ListField(child=serializers.CharField(), help_text=_("Edited by a person."))
    left_deleted = serializers.ListField(child=serializers.CharField(), help_text=_("Deleted by a person."))
    warnings = ProblemSerializer(many=True)
    problems = ProblemSerializer(many=True)
    counts = serializers.DictField(child=serializers.IntegerField())


class VersionSerializer(serializers.ModelSerializer):
    by = serializers.SlugRelatedField(slug_field="username", read_only=True, allow_null=True)

    class Meta:
        model = TaskVersion
        fields = ("version", "verb", "source", "by", "at", "reason", "definition", "changes", "impact")
        read_only_fields = fields
