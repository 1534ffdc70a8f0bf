"""What a task was after each change."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from scheduling.models.task import Task


class TaskVersion(models.Model):
    """What a task was after each change, and who changed it, when and why. Written with the change."""

    class Verb(models.TextChoices):
        CREATE = "create", _("created")
        EDIT = "edit", _("edited")
        ENABLE = "enable", _("enabled")
        DISABLE = "disable", _("disabled")
        PAUSE = "pause", _("paused")
        RESUME = "resume", _("resumed")
        DELETE = "delete", _("deleted")
        ROLLBACK = "rollback", _("rolled back")

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="versions")
    version = models.IntegerField(_("version"))
    verb = models.CharField(_("change"), max_length=10, choices=Verb.choices)
    source = models.CharField(_("by way of"), max_length=10)  # admin, api, command, yaml, system
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(_("at"))
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    definition = models.JSONField(_("definition"))
    # field → [before, after]
    changes = models.JSONField(_("changes"), default=dict)
    # What the change did to the occurrences of the next days (services/impact.py); null: nothing that concerns them.
    impact = models.JSONField(_("impact"), null=True)

    class Meta:
        verbose_name = _("task version")
        verbose_name_plural = _("task versions")
        ordering = ("-version",)
        constraints = (models.UniqueConstraint(name="task_version", fields=["task", "version"]),)

    def __str__(self) -> str:
        return f"{self.task_id} v{self.version}"
