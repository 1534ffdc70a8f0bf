"""Tasks: the form, the list with its next times, and the verbs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django_apscheduler.models import DjangoJob

from jobsite.admin_base import ChangeList, ServiceAdmin, ServiceForm, actor_of
from jobsite.templatetags.jobsite import moment
from scheduling import clock
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Task
from scheduling.services import health, tasks

SECTIONS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (None, ("key", "name", "description", "category", "group", "owner", "remark")),
    (_("What"), ("function", "parameters")),
    (_("When"), ("trigger", "trigger_params", "time_zone", "start_at", "end_at", "clock_gap", "clock_overlap")),
    (_("Where"), ("executor", "queue", "pool", "weight", "priority", "timeout_seconds")),
    (_("When runs were missed"), ("misfire_policy", "misfire_grace_seconds", "catch_up_limit")),
    (_("When runs overlap"), ("max_concurrent", "overlap_policy")),
    (
        _("When a run fails"),
        (
            "retries", "retry_delay_seconds", "retry_backoff", "retry_max_delay_seconds", "retry_jitter",
            "rerun_if_lost",
        ),
    ),
)  # fmt: skip
SEEN = ("state", "schedule", "next_run", "schedule_error", "built_in", "versions", "created_at", "updated_at")


class TaskForm(ServiceForm[Task]):
    #: The version that the person has seen: a form that has become old is refused, not merged.
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Task
        fields = [name for _title, names in SECTIONS for name in names]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version

    def check_service(self) -> None:
        # A request that does not say what it has seen has seen nothing.
        if self.instance.pk and self.cleaned_data.get("seen_version") != self.instance.version:
            raise ValidationError(tasks.edited_meanwhile(self.instance.version))
        if not self.instance.pk or not set(self.changed_data).isdisjoint(Task.SCHEDULE):
            tasks.check_future(self.instance, clock.refresh())


def lacks_function(task: Task, functions: dict[str, set[str]]) -> bool:
    """Whether nodes take from the task's queue, and none of them has its function (P6)."""
    return task.queue in functions and task.function not in functions[task.queue]


class TaskChangeList(ChangeList):
    """Reads what the page says of its tasks beside their rows: next times and missing functions, a query each."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        times = dict(
            DjangoJob.objects.filter(pk__in=[str(task.pk) for task in rows]).values_list(
                "pk", "next_run_time"
            )
        )
        functions = health.functions_of(health.beating(clock.now()))
        for task in rows:
            task.live_time = times.get(str(task.pk))
            task.lacks_function = lacks_function(task, functions)
        self.result_list = rows


@admin.register(Task)
class TaskAdmin(ServiceAdmin[Task]):
    form = TaskForm
    list_display = ("key", "name", "state", "schedule", "next_run", "function", "category", "group")
    list_filter = ("enabled", "paused", "trigger", "category", "queue")
    list_select_related = ("group",)
    search_fields = ("key", "name", "function")
    ordering = ("key",)
    show_full_result_count = False
    autocomplete_fields = ("group", "pool", "owner")
    readonly_fields = SEEN
    fieldsets = [(title, {"fields": names}) for title, names in (*SECTIONS, (_("State"), SEEN))]
    actions = ("run", "pause", "resume", "enable", "disable")

    # --- what is shown

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return super().get_queryset(request).filter(deleted_at=None)

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return TaskChangeList

    def get_fieldsets(self, request: HttpRequest, obj: Task | None = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None:
            return fieldsets[:-1]  # there is no state yet
        if self.has_change_permission(request, obj):
            first, rest = fieldsets[0], fieldsets[1:]
            return [(first[0], {"fields": (*first[1]["fields"], "seen_version")}), *rest]
        return fieldsets

    @admin.display(description=_("state"), ordering="enabled")
    def state(self, task: Task) -> str:
        if not task.enabled:
            return _now("disabled")
        if task.is_at_rest:
            return _now("paused")
        if task.schedule_error:
            return _now("broken: the schedule cannot be computed")
        missing: bool | None = getattr(task, "lacks_function", None)
        if missing is None:
            missing = lacks_function(task, health.functions_of(health.beating(clock.now())))
        return _now("broken: no node has the function") if missing else _now("enabled")

    @admin.display(description=_("schedule"))
    def schedule(self, task: Task) -> str:
        try:
            return f"{task.build_trigger().describe()} ({task.time_zone})"
        except InvalidTrigger as error:
            return str(error)

    @admin.display(description=_("next run"))
    def next_run(self, task: Task) -> str:
        if hasattr(task, "live_time"):
            at = task.live_time
        else:
            at = DjangoJob.objects.filter(pk=str(task.pk)).values_list("next_run_time", flat=True).first()
        return moment(at)

    @admin.display(description=_("version"))
    def versions(self, task: Task) -> str:
        """The number, leading to who changed what, when and why."""
        address = reverse("admin:scheduling_taskversion_changelist")
        return format_html('<a href="{}?task__id__exact={}">{}</a>', address, task.pk, task.version)

    # --- what is written

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        if change:
            tasks.edit(obj, actor=actor_of(request))
        else:
            tasks.create(obj, actor=actor_of(request))

    def has_delete_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj is not None and obj.built_in)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Nothing goes with them: the history stays."""
        chosen = list(objs)
        protected = [str(task) for task in chosen if task.built_in]
        refused = set() if super().has_delete_permission(request) else {str(self.opts.verbose_name)}
        return (
            [str(task) for task in chosen],
            {str(self.opts.verbose_name_plural): len(chosen)},
            refused,
            protected,
        )

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        tasks.delete(obj.pk, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.each(request, queryset, lambda task: tasks.delete(task.pk, actor=actor_of(request)))

    # --- the verbs

    def has_run_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.run_task"))

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.pause_task"))

    def has_enable_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.enable_task"))

    @admin.action(description=_("Run now"), permissions=["run"])
    def run(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.each(request, queryset, lambda task: tasks.run_now(task.pk, actor=actor_of(request)))

    @admin.action(description=_("Pause"), permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.each(request, queryset, lambda task: tasks.pause(task.pk, actor=actor_of(request)))

    @admin.action(description=_("Resume"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.each(request, queryset, lambda task: tasks.resume(task.pk, actor=actor_of(request)))

    @admin.action(description=_("Enable"), permissions=["enable"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.each(request, queryset, lambda task: tasks.enable(task.pk, actor=actor_of(request)))

    @admin.action(description=_("Disable"), permissions=["enable"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self.each(request, queryset, lambda task: tasks.disable(task.pk, actor=actor_of(request)))
