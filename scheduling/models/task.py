"""A task: what to run, when, and by which rules. Its live schedule entry is the DjangoJob row of the same id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Concat, Lower
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from jobsite.fields import ExactCharField
from scheduling import executors, registry, triggers
from scheduling.exceptions import (
    FieldErrors,
    InvalidTrigger,
    ParametersInvalid,
    UnknownExecutor,
    UnknownFunction,
)
from scheduling.models.addresses import AddressListField
from scheduling.models.calendar import Calendar
from scheduling.models.group import Group
from scheduling.models.names import key_validator, queue_validator
from scheduling.models.pool import Pool

#: Words of a search that are looked for; those after them are not.
MOST_WORDS = 8


def default_time_zone() -> str:
    return str(settings.JOBSITE_TASK_TIME_ZONE)


def build_trigger(schedule: Any) -> triggers.Trigger:
    """The trigger that the fields of a task, or of whatever carries the same ones, mean. Raises InvalidTrigger."""
    return triggers.build(
        schedule.trigger,
        schedule.trigger_params,
        zone=schedule.time_zone,
        start_at=schedule.start_at,
        end_at=schedule.end_at,
        gap=schedule.clock_gap,
        fold=schedule.clock_overlap,
        anchor_at=schedule.anchor_at,
        spread_key=schedule.key,
        spread_seconds=schedule.spread_seconds,
        calendar=schedule.calendar_rules,
        calendar_policy=schedule.calendar_policy,
    )


def _is_class_name(name: str) -> bool:
    return len(name) <= 200 and all(part.isidentifier() for part in name.split("."))


class TaskQuerySet(models.QuerySet["Task"]):
    def present(self) -> TaskQuerySet:
        """Those that have not been deleted."""
        return self.filter(deleted_at=None)

    def matching(self, text: str) -> TaskQuerySet:
        """Those that have each word of the text in the key, the name or the function, whatever the case."""
        rows = self
        for word in text.split()[:MOST_WORDS]:
            rows = rows.filter(search_text__contains=Lower(models.Value(word)))
        return rows


class Task(models.Model):
    class Misfire(models.TextChoices):
        RUN_LATEST = "run_latest", _("run the latest, merge the older ones")
        SKIP = "skip", _("run the latest only if it is no later than the grace time")
        RUN_ALL = "run_all", _("run all of them, oldest first, up to the catch-up limit")

    class Overlap(models.TextChoices):
        SKIP = "skip", _("skip the new one")
        QUEUE_ONE = "queue_one", _("let one wait")
        QUEUE_ALL = "queue_all", _("let all wait")
        REPLACE = "replace", _("end the running one and start the new one")

    class DependencyMode(models.TextChoices):
        ALL = "all", _("all of them")
        ANY = "any", _("any one of them")

    class ClockGap(models.TextChoices):
        RUN_AFTER = "run_after", _("run right after the gap")
        SKIP = "skip", _("skip it that day")

    class ClockOverlap(models.TextChoices):
        FIRST = "first", _("run the first time")
        SECOND = "second", _("run the second time")
        BOTH = "both", _("run both times")

    class CalendarPolicy(models.TextChoices):
        SKIP = "skip", _("not in its times")
        ONLY = "only", _("only in its times")
        SHIFT_PREVIOUS = "shift_previous", _("on its days, on the last other day before")
        SHIFT_NEXT = "shift_next", _("on its days, on the next other day")

    class Backoff(models.TextChoices):
        FIXED = "fixed", _("always the same delay")
        EXPONENTIAL = "exponential", _("double the delay each time")

    # --- what it is
    key = ExactCharField(
        _("key"),
        max_length=100,
        unique=True,
        validators=[key_validator],
        help_text=_("The name that programs and YAML files use."),
    )
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, max_length=4_000)
    category = models.CharField(
        _("category"), max_length=50, blank=True, help_text=_("Any word; the list can be filtered by it.")
    )
    group = models.ForeignKey(
        Group,
        verbose_name=pgettext_lazy("of tasks", "group"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="tasks",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    remark = models.TextField(_("remark"), blank=True, max_length=4_000)
    built_in = models.BooleanField(_("built-in"), default=False, editable=False)

    # --- what it runs
    function = models.CharField(
        _("function"), max_length=200, help_text=_("What the task does when its time has come.")
    )
    parameters = models.JSONField(
        _("parameters"),
        default=dict,
        blank=True,
        help_text=_("What the function is given at each run. Never a password."),
    )

    # --- when
    trigger = models.CharField(_("trigger"), max_length=50, choices=triggers.choices, default="cron")
    trigger_params = models.JSONField(_("trigger parameters"), default=dict, blank=True)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default=default_time_zone,
        help_text=_("The clock that the schedule, start and end follow."),
    )
    start_at = models.DateTimeField(
        _("start"), null=True, blank=True, help_text=_("No scheduled run before; empty: at once.")
    )
    end_at = models.DateTimeField(
        _("end"), null=True, blank=True, help_text=_("No scheduled run after; empty: never ends.")
    )
    clock_gap = models.CharField(
        _("time skipped by a clock change"),
        max_length=10,
        choices=ClockGap.choices,
        default=ClockGap.RUN_AFTER,
        help_text=_("In spring clocks jump forward: what of a run whose time does not exist that day?"),
    )
    clock_overlap = models.CharField(
        _("time repeated by a clock change"),
        max_length=10,
        choices=ClockOverlap.choices,
        default=ClockOverlap.FIRST,
        help_text=_("In autumn an hour comes twice: what of a run whose time comes twice that day?"),
    )
    calendar = models.ForeignKey(
        Calendar,
        verbose_name=_("calendar"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="tasks",
    )
    calendar_policy = models.CharField(
        _("when the calendar marks a time"),
        max_length=20,
        choices=CalendarPolicy.choices,
        default=CalendarPolicy.SKIP,
    )
    spread_seconds = models.IntegerField(
        _("spread (seconds)"),
        default=0,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(86_400)],
        help_text=_("All runs come later by one delay up to this, which differs from task to task. 0: none."),
    )
    max_runs = models.IntegerField(
        _("maximum number of runs"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000_000)],
        help_text=_("So many scheduled runs, counted since the schedule was last changed. Empty: no limit."),
    )
    # Scheduled runs since then; kept up only while there is a maximum.
    run_count = models.IntegerField(default=0, editable=False)
    # Whether the next time is counted from the end of the run before (services/following.py).
    follows_end = models.BooleanField(default=False, editable=False)
    # Intervals count from here, so that neither a restart nor an edit of something else shifts them.
    anchor_at = models.DateTimeField(editable=False)

    # --- how
    executor = models.CharField(
        _("executor"),
        max_length=20,
        choices=executors.choices,
        default="thread",
        help_text=_("By what means a node runs it."),
    )
    queue = models.CharField(
        _("queue"),
        max_length=50,
        default="default",
        validators=[queue_validator],
        help_text=_("Only nodes that take from this queue run it."),
    )
    pool = models.ForeignKey(
        Pool, verbose_name=_("pool"), null=True, blank=True, on_delete=models.PROTECT, related_name="tasks"
    )
    weight = models.SmallIntegerField(
        _("weight"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(1_000)],
        help_text=_("How many of the pool's seats one run takes."),
    )
    priority = models.SmallIntegerField(
        _("priority"),
        default=5,
        validators=[MinValueValidator(0), MaxValueValidator(9)],
        help_text=_("From 0 (last) to 9 (first)."),
    )
    timeout_seconds = models.IntegerField(
        _("timeout (seconds)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(30 * 86_400)],
        help_text=_("Empty: none; for programs and code an hour, or what the installation says."),
    )

    memory_limit_mb = models.IntegerField(
        _("memory limit (MiB)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(16), MaxValueValidator(1024 * 1024)],
        help_text=_(
            "Of all processes of a run together. Empty: none. Only for runs in processes of their own."
        ),
    )
    cpu_limit_seconds = models.IntegerField(
        _("processor time limit (seconds)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(30 * 86_400)],
        help_text=_(
            "Of all processes of a run together. Empty: none. Only for runs in processes of their own."
        ),
    )
    jitter_seconds = models.IntegerField(
        _("jitter (seconds)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(3_600)],
        help_text=_(
            "A scheduled run starts up to this much later, by chance, so that not all start at once. Empty: none."
        ),
    )

    dependency_mode = models.CharField(
        _("runs after"),
        max_length=3,
        choices=DependencyMode.choices,
        default=DependencyMode.ALL,
        editable=False,  # together with the dependencies themselves
    )

    # --- policies
    misfire_policy = models.CharField(
        _("when runs were missed"),
        max_length=10,
        choices=Misfire.choices,
        default=Misfire.RUN_LATEST,
        help_text=_(
            "After a time without a scheduler. Whatever is not run is kept in the history as missed, with the reason."
        ),
    )
    misfire_grace_seconds = models.IntegerField(
        _("grace time (seconds)"),
        default=300,
        validators=[MinValueValidator(1), MaxValueValidator(30 * 86_400)],
        help_text=_("How late the latest run may still start, when late runs are skipped."),
    )
    catch_up_limit = models.IntegerField(
        _("catch-up limit"),
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("How many missed runs are made up for, when all of them are run."),
    )
    max_concurrent = models.IntegerField(
        _("runs at the same time"),
        default=1,
        validators=[MinValueValidator(0), MaxValueValidator(10_000)],
        help_text=_("0: no limit."),
    )
    overlap_policy = models.CharField(
        _("when too many run already"),
        max_length=10,
        choices=Overlap.choices,
        default=Overlap.SKIP,
        help_text=_("What becomes of a scheduled run whose time comes while as many as allowed are running."),
    )
    retries = models.IntegerField(
        _("retries"),
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=_("How often a failed run is tried again."),
    )
    retry_delay_seconds = models.IntegerField(
        _("retry delay (seconds)"),
        default=60,
        validators=[MinValueValidator(0), MaxValueValidator(86_400)],
        help_text=_("How long after a failure the next attempt is made."),
    )
    retry_backoff = models.CharField(
        _("retry delay grows"), max_length=12, choices=Backoff.choices, default=Backoff.FIXED
    )
    retry_max_delay_seconds = models.IntegerField(
        _("longest retry delay (seconds)"),
        default=3_600,
        validators=[MinValueValidator(0), MaxValueValidator(7 * 86_400)],
    )
    retry_jitter = models.FloatField(
        _("retry jitter"),
        default=0.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text=_("The share of the delay that may be added by chance: 0 to 1."),
    )
    no_retry_on = models.JSONField(
        _("no retry on"),
        default=list,
        blank=True,
        help_text=_(
            "Exceptions that end it at once: a list of class names, with or without their module;"
            " a class stands for those derived from it, too."
        ),
    )
    rerun_if_lost = models.BooleanField(
        _("run again if lost"),
        default=False,
        help_text=_("A run whose node died is run again. Its effects may then happen more than once."),
    )

    notify_on_failure = AddressListField(
        _("tell of failures"),
        help_text=_(
            "Mail addresses. A mail tells of a run that has failed for good: at most one an hour for this task."
        ),
    )

    # --- state
    enabled = models.BooleanField(_("enabled"), default=True, editable=False)
    paused = models.BooleanField(_("paused"), default=False, editable=False)
    # Why the engine could not compute a next time; empty while all is well. Saving the task clears it.
    schedule_error = models.CharField(max_length=500, default="", editable=False)
    version = models.IntegerField(default=1, editable=False)
    # The newest scheduled occurrence that retention has removed from its history (services/accounted.py).
    pruned_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    # Kept by the database: one text to look into, a sixth of the time of looking into three.
    search_text = models.GeneratedField(
        expression=Lower(Concat("key", models.Value(" "), "name", models.Value(" "), "function")),
        output_field=models.CharField(max_length=502),
        db_persist=True,
    )

    objects = TaskQuerySet.as_manager()

    #: What a version holds, an edit compares and YAML may say (besides the key).
    DEFINITION = (
        "name", "description", "category", "group", "owner", "remark", "function", "parameters",
        "trigger", "trigger_params", "time_zone", "start_at", "end_at", "clock_gap", "clock_overlap",
        "calendar", "calendar_policy", "spread_seconds", "max_runs",
        "executor", "queue", "pool", "weight", "priority", "timeout_seconds",
        "memory_limit_mb", "cpu_limit_seconds", "jitter_seconds",
        "misfire_policy", "misfire_grace_seconds", "catch_up_limit", "max_concurrent", "overlap_policy",
        "retries", "retry_delay_seconds", "retry_backoff", "retry_max_delay_seconds", "retry_jitter",
        "no_retry_on", "rerun_if_lost", "notify_on_failure", "enabled",
    )  # fmt: skip
    #: The part of it that decides when the task runs.
    SCHEDULE = (
        "trigger", "trigger_params", "time_zone", "start_at", "end_at", "clock_gap", "clock_overlap",
        "calendar", "calendar_policy", "spread_seconds",
    )  # fmt: skip

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ("key",)
        permissions = (
            ("run_task", _("Can run a task")),
            ("force_task", _("Can run a task beside itself")),
            ("pause_task", _("Can pause and resume a task")),
            ("enable_task", _("Can enable and disable a task")),
            ("run_commands", _("Can use tasks that run commands or code")),
        )
        constraints = (
            models.CheckConstraint(name="task_weight", condition=models.Q(weight__gte=1, weight__lte=1_000)),
            models.CheckConstraint(name="task_max_concurrent", condition=models.Q(max_concurrent__gte=0)),
        )
        indexes = (
            models.Index(  # finds queues that no node takes from, on every page
                name="task_queue", fields=["queue"], condition=models.Q(deleted_at=None, enabled=True)
            ),
            models.Index(
                name="task_follows_end", fields=["follows_end"], condition=models.Q(follows_end=True)
            ),
            # What lists are filtered by, each in the order of the list.
            models.Index(name="task_by_queue", fields=["queue", "key"]),
            models.Index(name="task_by_category", fields=["category", "key"]),
            models.Index(name="task_by_trigger", fields=["trigger", "key"]),
            models.Index(name="task_by_group", fields=["group", "key"]),
            models.Index(name="task_by_state", fields=["enabled", "paused", "key"]),
            models.Index(name="task_by_name", fields=["name", "id"]),
            # All that a search reads: it goes through the index, not through the rows.
            models.Index(name="task_search", fields=["key", "search_text", "deleted_at"]),
        )

    def __str__(self) -> str:
        return self.name or self.key

    def build_trigger(self) -> triggers.Trigger:
        """The trigger that computes this task's times. Raises InvalidTrigger."""
        return build_trigger(self)

    def next_time(self, now: datetime) -> datetime | None:
        """The next nominal time after ``now``, or None: it is at rest, or its schedule has ended."""
        if self.is_at_rest or self.has_run_enough:
            return None
        return self.build_trigger().next_after(now)

    @property
    def waits_for_end(self) -> bool:
        """What ``follows_end`` has to be, by the schedule."""
        params = self.trigger_params
        return self.trigger == "interval" and isinstance(params, dict) and params.get("after_end") is True

    @property
    def has_run_enough(self) -> bool:
        """Whether it has had its maximum number of scheduled runs."""
        return self.max_runs is not None and self.run_count >= self.max_runs

    @property
    def calendar_rules(self) -> triggers.CalendarRules | None:
        """The rules of its calendar, if it has one. Raises InvalidTrigger."""
        return self.calendar.rules() if self.calendar is not None else None

    @property
    def is_at_rest(self) -> bool:
        """Whether it gets no scheduled occurrences, by somebody's decision."""
        return bool(
            self.deleted_at
            or not self.enabled
            or self.paused
            or (self.group is not None and self.group.paused)
        )

    def definition(self) -> dict[str, Any]:
        """The definition as plain JSON values: what versions store and exports write."""
        values: dict[str, Any] = {}
        for name in self.DEFINITION:
            value = getattr(self, name)
            if name in ("group", "pool", "calendar"):
                value = value.key if value else None
            elif name == "owner":
                value = value.get_username() if value else None
            elif isinstance(value, datetime):
                # The same instant is the same value, whatever zone it was typed in.
                value = (value.astimezone(UTC) if value.tzinfo else value).isoformat()
            values[name] = value
        return values

    def clean(self) -> None:
        """The rules that need more than one field; each fault is told at its field, all of them at once."""
        faults: dict[str, list[str]] = {}
        for check in (
            self._check_function,
            self._check_executor,
            self._check_trigger,
            self._check_weight,
            self._check_retries,
            self._check_no_retry_on,
        ):
            try:
                check()
            except FieldErrors as error:
                for field, texts in error.errors.items():
                    faults.setdefault(field, []).extend(texts)
        if faults:
            raise ValidationError({field: [str(text) for text in texts] for field, texts in faults.items()})

    def _check_function(self) -> None:
        try:
            function = registry.get(self.function)
        except UnknownFunction as error:
            raise FieldErrors({"function": [str(error)]}) from error
        if not function.is_on:
            text = gettext("The function is switched off here: the setting %s says so.") % function.setting
            raise FieldErrors({"function": [text]})
        try:
            function.validate(self.parameters)
        except ParametersInvalid as error:
            texts = [
                text if name == "parameters" else f"{name}: {text}"
                for name, all_ in error.errors.items()
                for text in all_
            ]
            raise FieldErrors({"parameters": texts}) from error

    def _check_executor(self) -> None:
        """Whether the executor can run the function; an unknown function or executor is told elsewhere."""
        try:
            function, kind = registry.get(self.function), executors.executor_class(self.executor)
        except (UnknownFunction, UnknownExecutor):
            return
        if function.is_coroutine and not kind.runs_coroutines:
            able = [name for name in executors.paths() if executors.executor_class(name).runs_coroutines]
            text = gettext("%(function)s is a coroutine function, which runs in: %(executors)s.")
            names = {"function": self.function, "executors": ", ".join(able)}
            raise FieldErrors({"executor": [text % names]})
        if kind.runs_coroutines and not function.is_coroutine:
            text = gettext("%(function)s is a plain function; this executor runs coroutine functions only.")
            raise FieldErrors({"executor": [text % {"function": self.function}]})
        # Whoever runs a program holds that to the limits, wherever it waits for it.
        runs_programs = registry.runs_programs(function)
        if kind.runs_programs and not runs_programs:
            text = gettext("%(function)s runs no program; this executor is for functions that do.")
            raise FieldErrors({"executor": [text % {"function": self.function}]})
        if not kind.holds_limits and not runs_programs:
            self._refuse_limits()

    def _refuse_limits(self) -> None:
        """A limit that nobody holds a run to is worse than none."""
        able = [name for name in executors.paths() if executors.executor_class(name).holds_limits]
        text = gettext("Runs of the executor %(executor)s are not held to it; those of these are: %(able)s.")
        text %= {"executor": self.executor, "able": ", ".join(able)}
        faults = {name: [text] for name in ("memory_limit_mb", "cpu_limit_seconds") if getattr(self, name)}
        if faults:
            raise FieldErrors(faults)

    def _check_no_retry_on(self) -> None:
        names = self.no_retry_on
        if not (
            isinstance(names, list)
            and len(names) <= 50
            and all(isinstance(name, str) and _is_class_name(name) for name in names)
        ):
            text = gettext(
                'A list of at most 50 class names is needed, such as ["ValueError", "shop.errors.Gone"].'
            )
            raise FieldErrors({"no_retry_on": [text]})

    def _check_trigger(self) -> None:
        try:
            self.build_trigger()
        except InvalidTrigger as error:
            raise FieldErrors({known_field(name): texts for name, texts in error.errors.items()}) from error

    def _check_weight(self) -> None:
        if self.pool is not None and self.weight is not None and self.weight > self.pool.capacity:
            text = gettext(
                "The weight %(weight)d is more than the pool %(pool)s holds: %(capacity)d at the most."
            )
            raise FieldErrors(
                {
                    "weight": [
                        text % {"weight": self.weight, "pool": self.pool.key, "capacity": self.pool.capacity}
                    ]
                }
            )

    def _check_retries(self) -> None:
        if None in (self.retry_delay_seconds, self.retry_max_delay_seconds):
            return  # said by the field itself
        if self.retries and self.retry_delay_seconds > self.retry_max_delay_seconds:
            text = gettext("The longest retry delay must be at least the retry delay (%(delay)d seconds).")
            raise FieldErrors({"retry_max_delay_seconds": [text % {"delay": self.retry_delay_seconds}]})


def known_field(name: str) -> str:
    """The field of a task at which something about its schedule is said."""
    return name if name in Task.SCHEDULE else "trigger_params"
