"""What is to be said of a run that failed for good: one row each, written with the failure itself."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from scheduling.models.execution import Execution
from scheduling.models.task import Task


class Notice(models.Model):
    class State(models.TextChoices):
        PENDING = "pending", _("to be sent")  # from due_at on
        SENDING = "sending", _("being sent")  # by whoever holds claim_id, until claimed_until
        SENT = "sent", _("sent")
        MERGED = "merged", _("told in another mail")
        EXPIRED = "expired", _("too old to be of use")
        DROPPED = "dropped", _("nobody is to be told any more")
        GIVEN_UP = "given_up", _("given up")  # the mail server refused for too long; ``error`` says how

    execution = models.ForeignKey(
        Execution,
        verbose_name=_("execution"),
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="notices",
    )
    task = models.ForeignKey(
        Task,
        verbose_name=_("task"),
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="notices",
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField(_("failed"))
    due_at = models.DateTimeField(_("due"))
    claim_id = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(_("attempts"), default=0)
    # Other failures of the task that this mail tells of: those since the last one.
    held_back = models.IntegerField(_("held back"), default=0)
    merged_into = models.ForeignKey(
        "self",
        verbose_name=_("told in"),
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    sent_at = models.DateTimeField(_("sent"), null=True)
    addresses = models.JSONField(_("sent to"), default=list)
    error = models.CharField(_("error"), max_length=500, default="", blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(name="notice_once", fields=["execution"]),)
        indexes = (
            models.Index(name="notice_due", fields=["state", "due_at"]),
            models.Index(name="notice_task", fields=["task", "state", "sent_at"]),
        )

    def __str__(self) -> str:
        return f"#{self.execution_id} {self.state}"
