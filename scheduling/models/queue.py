"""A queue that is paused. Queues are names that tasks and nodes agree on; one has a row only while it is paused."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from jobsite.fields import ExactCharField
from scheduling.models.names import queue_validator


class PausedQueue(models.Model):
    name = ExactCharField(_("queue"), max_length=50, unique=True, validators=[queue_validator])
    paused_at = models.DateTimeField(_("paused since"))
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("paused queue")
        verbose_name_plural = _("paused queues")
        ordering = ("name",)
        permissions = (("pause_queue", _("Can pause and resume a queue")),)

    def __str__(self) -> str:
        return self.name
