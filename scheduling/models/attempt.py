"""What became of an attempt that was superseded, or that reported when it was no longer asked."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from scheduling.models.execution import Execution, State
from scheduling.models.node import Node


class Attempt(models.Model):
    execution = models.ForeignKey(
        Execution, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="attempts"
    )
    attempt = models.IntegerField(_("attempt"))
    node = models.ForeignKey(
        Node, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    run_ms = models.BigIntegerField(_("duration (ms)"), null=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    reason = models.CharField(_("reason"), max_length=40, default="")
    detail = models.CharField(_("detail"), max_length=500, default="")
    error_class = models.CharField(_("error"), max_length=200, default="")
    message = models.TextField(_("message"), default="")
    traceback = models.TextField(_("traceback"), default="")
    exit_code = models.IntegerField(_("exit code"), null=True)
    cpu_ms = models.BigIntegerField(_("processor time (ms)"), null=True)
    peak_memory_bytes = models.BigIntegerField(_("peak memory"), null=True)
    # A result that came after the execution had ended otherwise: kept as a note, it changes nothing.
    late_state = models.CharField(max_length=10, default="")
    late_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ("attempt",)
        constraints = (models.UniqueConstraint(name="attempt_once", fields=["execution", "attempt"]),)

    def __str__(self) -> str:
        return f"#{self.execution_id} attempt {self.attempt}: {self.state}"
