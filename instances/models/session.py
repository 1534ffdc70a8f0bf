"""One collection over instances, and what came of each. Moved only by ``services.sessions``."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from instances.models.instance import Instance


class SyncSession(models.Model):
    class Category(models.TextChoices):
        ACCOUNT = "account", _("accounts")
        SIZE = "size", _("sizes")
        AGGREGATION = "aggregation", _("aggregation")
        PARTITION = "partition", _("partitions")
        OTHER = "other", _("other")

    class Origin(models.TextChoices):
        SCHEDULE = "schedule", pgettext_lazy("origin", "schedule")
        MANUAL_SINGLE = "manual_single", _("by hand, one instance")
        MANUAL_BATCH = "manual_batch", _("by hand, several instances")
        API = "api", _("API")

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        COMPLETED = "completed", _("completed")
        PARTLY_FAILED = "partly_failed", _("partly failed")
        FAILED = "failed", _("failed")  # no instance succeeded
        CANCELLED = "cancelled", _("cancelled")
        LOST = "lost", _("lost")  # whoever worked on it is gone

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    category = models.CharField(_("category"), max_length=20, choices=Category.choices)
    origin = models.CharField(_("origin"), max_length=20, choices=Origin.choices)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.RUNNING)
    # Filled when it ends, from its records.
    total = models.PositiveIntegerField(_("instances"), default=0)
    succeeded = models.PositiveIntegerField(_("succeeded"), default=0)
    failed = models.PositiveIntegerField(_("failed"), default=0)
    skipped = models.PositiveIntegerField(_("skipped"), default=0)  # cancelled before or while being visited
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    # scheduling.Execution that ran it; no foreign key, because history is pruned without asking.
    execution_id = models.BigIntegerField(_("execution"), null=True)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True)
    # Somebody asked it to end: what has not begun does not begin.
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("cancel requested by"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    # The session whose failed instances it visits again.
    retry_of = models.ForeignKey(
        "self", verbose_name=_("retry of"), null=True, on_delete=models.SET_NULL, related_name="retries"
    )

    class Meta:
        verbose_name = _("sync session")
        verbose_name_plural = _("sync sessions")
        ordering = ("-started_at",)
        indexes = (
            models.Index(name="sync_session_started", fields=["-started_at"]),
            models.Index(name="sync_session_status", fields=["status", "-started_at"]),
        )

    def __str__(self) -> str:
        return f"{self.get_category_display()} {str(self.id)[:8]}"


class SyncRecord(models.Model):
    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        RUNNING = "running", _("running")
        COMPLETED = "completed", _("completed")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    session = models.ForeignKey(
        SyncSession, verbose_name=_("session"), on_delete=models.CASCADE, related_name="records"
    )
    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.PROTECT, related_name="sync_records"
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    # Rows of the collected kind.
    created = models.PositiveIntegerField(_("created"), default=0)
    updated = models.PositiveIntegerField(_("updated"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    dropped = models.PositiveIntegerField(_("dropped"), default=0)
    # The stable code of what went wrong (instances.exceptions), and the sentence.
    error_code = models.CharField(_("error code"), max_length=40, blank=True)
    error = models.TextField(_("error"), blank=True)
    details = models.JSONField(_("details"), default=dict)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("sync record")
        verbose_name_plural = _("sync records")
        ordering = ("session", "id")
        constraints = (models.UniqueConstraint(name="sync_record_once", fields=["session", "instance"]),)

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.state}"
