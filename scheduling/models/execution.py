"""One occurrence of a task, from the moment it was decided upon to the end of its history: one row."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, When
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from jobsite.fields import ExactCharField
from scheduling import clock
from scheduling.models.node import Node
from scheduling.models.task import Task

#: ``available_at`` of what waits for somebody's decision rather than for a time.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class State(models.TextChoices):
    WAITING = "waiting", _("waiting")  # until available_at, for the reason given
    QUEUED = "queued", _("queued")  # may start now
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    TIMED_OUT = "timed_out", _("timed out")
    CANCELLED = "cancelled", _("cancelled")
    SKIPPED = "skipped", _("skipped")  # decided not to run, for the reason given
    MISSED = "missed", _("missed")  # nobody was there in time
    LOST = "lost", _("lost")  # its node died; whether it had an effect is not known


ACTIVE = (State.WAITING, State.QUEUED, State.RUNNING)
ENDED = tuple(state for state in State if state not in ACTIVE)


class Origin(models.TextChoices):
    SCHEDULE = "schedule", pgettext_lazy("origin", "schedule")
    MANUAL = "manual", _("by hand")
    API = "api", _("API")
    DEPENDENCY = "dependency", _("dependency")
    BACKFILL = "backfill", _("backfill")


class Reason(models.TextChoices):
    """Why an execution is in its state: stable codes for programs, words for people."""

    OVERLAP = "overlap", _("as many as allowed run already")
    QUEUE_FULL = "queue_full", _("too many wait already")
    COALESCED = "coalesced", _("merged into a later one")
    LATE = "late", _("later than the grace time")
    OVER_LIMIT = "over_limit", _("beyond the catch-up limit")
    PAUSED = "paused", _("the task is paused")
    DELAY = "delay", _("not before its time")
    RETRY = "retry", _("waits to be tried again")
    FUNCTION_MISSING = "function_missing", _("no node has the function")
    TASK_DISABLED = "task_disabled", _("the task was disabled")
    TASK_DELETED = "task_deleted", _("the task was deleted")
    CANCEL_REQUESTED = "cancel_requested", _("cancelled on request")
    NODE_DIED = "node_died", _("the node died")
    NODE_STOPPED = "node_stopped", _("the node was stopped")
    TIMEOUT = "timeout", _("ran longer than allowed")
    EXCEPTION = "exception", _("the function raised an exception")
    PARAMETERS_INVALID = "parameters_invalid", _("the parameters do not fit the function")
    RESULT_UNSTORABLE = "result_unstorable", _("the result cannot be stored")
    WORKER_FAILED = "worker_failed", _("what ran it broke")
    BY_TASK = "by_task", _("the function ended itself")
    RETRY_ASKED = "retry_asked", _("the function asked to be tried again")
    UPSTREAM = "upstream", _("what it runs after ended otherwise")
    REPLACED = "replaced", _("a later run took its place")
    EXITED = "exited", _("its process ended before the function did")
    MEMORY_LIMIT = "memory_limit", _("used more memory than allowed")
    CPU_LIMIT = "cpu_limit", _("used more processor time than allowed")
    PROCESS_LIMIT = "process_limit", _("had more processes than allowed")
    EXIT_CODE = "exit_code", _("its program ended with a code that means failure")
    NOT_STARTED = "not_started", _("its program could not be started")
    FUNCTION_OFF = "function_off", _("the function is switched off here")
    SIGNAL = "signal", _("its process got a signal to end")
    NONSENSE = "nonsense", _("its process reported nonsense")


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def active(self) -> ExecutionQuerySet:
        """Those that have not ended. Of a task or a node the index finds them by this, not by their state."""
        return self.filter(outcome=None)

    def in_state(self, state: str) -> ExecutionQuerySet:
        """Those in one state, as an index finds them: ``execution_claim`` or, what has ended, ``execution_outcome``.

        Of a task or a node, what is active is to be narrowed by ``active()``, too.
        """
        return self.filter(state=state) if state in ACTIVE else self.filter(outcome=state)

    def counted(self) -> ExecutionQuerySet:
        """Those that count against their task's ``max_concurrent``."""
        return self.filter(
            Q(state__in=(State.QUEUED, State.RUNNING)) | Q(state=State.WAITING, reason=Reason.RETRY)
        )


class Execution(models.Model):
    id = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(
        Task,
        verbose_name=_("task"),
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="executions",
    )
    task_key = ExactCharField(_("task"), max_length=100)
    task_version = models.IntegerField(_("task version"))
    function = models.CharField(_("function"), max_length=200)
    # The nominal instant; of a run asked for by hand, the moment of asking.
    scheduled_for = models.DateTimeField(_("scheduled for"))
    # '' for scheduled ones; else what makes the request unique, so that asking twice runs once.
    slot = ExactCharField(max_length=64, default="", blank=True)
    origin = models.CharField(_("origin"), max_length=12, choices=Origin.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    # The state it has ended in; null before. Databases without partial indexes (MySQL, MariaDB) keep an entry of
    # each row in each index, and one that holds the state they write anew at every step of every run. History is
    # indexed by this, which changes once.
    outcome = models.GeneratedField(
        expression=Case(When(state__in=[state.value for state in ENDED], then=F("state"))),
        output_field=models.CharField(max_length=10, null=True),
        db_persist=True,
    )
    reason = models.CharField(_("reason"), max_length=40, default="", blank=True)
    detail = models.CharField(_("detail"), max_length=500, default="", blank=True)
    executor = models.CharField(_("executor"), max_length=20, default="thread")
    queue = models.CharField(_("queue"), max_length=50)
    rank = models.SmallIntegerField(default=0)  # 0 first
    pool_id = models.BigIntegerField(default=0)  # 0: none
    weight = models.SmallIntegerField(default=1)
    timeout_seconds = models.IntegerField(null=True)
    memory_limit_mb = models.IntegerField(null=True)
    cpu_limit_seconds = models.IntegerField(null=True)
    available_at = models.DateTimeField()
    # The same while it waits, else null: what never waits never moves in its index.
    wakes_at = models.GeneratedField(
        expression=Case(When(state=State.WAITING.value, then=F("available_at"))),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )
    expires_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    # Raised by each claim. Whoever writes a result names it, so that a stale owner's write finds no row (P2).
    attempt = models.IntegerField(_("attempt"), default=0)
    node = models.ForeignKey(
        Node,
        verbose_name=_("node"),
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="executions",
    )
    claim_id = models.UUIDField(null=True)
    # When its id was last handed to a broker (executor celery).
    handed_at = models.DateTimeField(null=True)
    overdue = models.BooleanField(default=False)
    # When the row came to be. It grows with the id, so a stretch of time is a stretch of the primary key.
    admitted_at = models.DateTimeField(_("admitted"), default=clock.now)
    queued_at = models.DateTimeField(_("queued"))
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    run_ms = models.BigIntegerField(_("duration (ms)"), null=True)
    # Of its own process or program; below zero, the signal that killed it.
    exit_code = models.IntegerField(_("exit code"), null=True)
    # Of its own processes, as far as it was seen (docs/executors.md); null: it had none.
    cpu_ms = models.BigIntegerField(_("processor time (ms)"), null=True)
    peak_memory_bytes = models.BigIntegerField(_("peak memory"), null=True)
    # One row may stand for many instants that nobody took: from scheduled_for to covers_until.
    covers_until = models.DateTimeField(null=True)
    covers_count = models.IntegerField(null=True)
    parameters = models.JSONField(_("parameters"), default=dict)
    result = models.JSONField(_("result"), null=True)
    result_altered = models.BooleanField(default=False)
    error_class = models.CharField(_("error"), max_length=200, default="", blank=True)
    message = models.TextField(_("message"), default="", blank=True)
    traceback = models.TextField(_("traceback"), default="", blank=True)
    progress_done = models.BigIntegerField(null=True)
    progress_total = models.BigIntegerField(null=True)
    progress_text = models.CharField(max_length=200, default="", blank=True)
    chain_id = models.UUIDField(null=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("asked for by"),
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    # Of a run after others: the executions that it runs after.
    upstream_ids = models.JSONField(null=True)
    rerun_of_id = models.BigIntegerField(null=True)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        verbose_name = _("execution")
        verbose_name_plural = _("executions")
        permissions = (("cancel_execution", _("Can cancel an execution")),)
        constraints = (
            models.UniqueConstraint(name="occurrence", fields=["task", "scheduled_for", "slot"]),
            models.CheckConstraint(
                name="execution_state", condition=Q(state__in=[state.value for state in State])
            ),
            models.CheckConstraint(
                name="execution_running_owned",
                condition=~Q(state="running") | Q(node__isnull=False, started_at__isnull=False),
            ),
            models.CheckConstraint(
                name="execution_ended_when",
                condition=Q(state__in=("waiting", "queued", "running")) | Q(finished_at__isnull=False),
            ),
            models.CheckConstraint(
                name="execution_reason_given",
                condition=Q(state__in=("queued", "running", "succeeded")) | ~Q(reason=""),
            ),
            models.CheckConstraint(name="execution_weight", condition=Q(weight__gte=1, weight__lte=1_000)),
        )
        # MySQL and MariaDB ignore the conditions.
        indexes = (
            models.Index(  # claims in its order, and the sum of each pool
                name="execution_claim",
                fields=["state", "queue", "executor", "pool_id", "rank", "id"],
                # "or", not "in": only so does SQLite see that a queued row is in the index.
                condition=Q(state="queued") | Q(state="running"),
            ),
            models.Index(name="execution_wake", fields=["wakes_at"], condition=Q(state="waiting")),
            # What is active of a task, and its history by outcome. Whole, since history is what people look through.
            models.Index(name="execution_task_outcome", fields=["task", "outcome", "id"]),
            # What a node runs, and what it has run (outcome by outcome).
            models.Index(
                name="execution_node", fields=["node", "outcome", "id"], condition=Q(node__isnull=False)
            ),
            models.Index(name="execution_history", fields=["task", "id"]),
            # Not what is active: PostgreSQL's statistics hardly ever see anything queued, so that it would read all
            # that is queued by this index, and sort it, at each claim.
            models.Index(
                name="execution_outcome", fields=["outcome", "id"], condition=Q(outcome__isnull=False)
            ),
            models.Index(  # tallies read nothing but this
                name="execution_finished",
                fields=["finished_at", "outcome", "run_ms"],
                condition=Q(finished_at__isnull=False),
            ),
            # What was asked for; of what is scheduled there is too much for an index to help.
            models.Index(
                name="execution_origin",
                fields=["origin", "id"],
                # "or", as above.
                condition=Q(origin="manual")
                | Q(origin="api")
                | Q(origin="dependency")
                | Q(origin="backfill"),
            ),
            models.Index(
                name="execution_rerun", fields=["rerun_of_id"], condition=Q(rerun_of_id__isnull=False)
            ),
            models.Index(name="execution_chain", fields=["chain_id"], condition=Q(chain_id__isnull=False)),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.task_key} {self.get_state_display()}"

    def get_reason_text(self) -> str:
        """The reason in words; one that a task or an executor has made up, as it is."""
        return reason_text(self.reason)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this occurrence, and for no other: for use by what the function calls."""
        return idempotency_key(self.task_id, self.scheduled_for, self.slot)


def reason_text(reason: str) -> str:
    """A reason in words; one that a task or an executor has made up, as it is."""
    return str(dict(Reason.choices).get(reason, reason))


def idempotency_key(task_id: int, scheduled_for: datetime, slot: str) -> str:
    """Names one occurrence, whatever database row or attempt stands for it."""
    return f"{task_id}:{_instant(scheduled_for)}:{slot}"


@lru_cache(maxsize=64)  # a batch mostly shares its moment
def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
