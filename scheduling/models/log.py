"""What a run said, in pieces of at most 8 KiB, numbered in the order in which it was said."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from scheduling.models.execution import Execution


class ExecutionLog(models.Model):
    execution = models.ForeignKey(
        Execution, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="log"
    )
    attempt = models.IntegerField()
    seq = models.IntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=10)
    text = models.TextField()

    class Meta:
        verbose_name = _("log line")
        verbose_name_plural = _("log lines")
        ordering = ("execution", "attempt", "seq")
        constraints = (models.UniqueConstraint(name="log_order", fields=["execution", "attempt", "seq"]),)
        indexes = (models.Index(name="log_age", fields=["at"]),)

    def __str__(self) -> str:
        return self.text[:80]
