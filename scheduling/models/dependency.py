"""That a task runs after another one has ended in a certain way."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from scheduling.models.execution import State
from scheduling.models.task import Task


class Dependency(models.Model):
    class On(models.TextChoices):
        SUCCESS = "success", _("it has succeeded")
        FAILURE = "failure", _("it has failed, timed out or was lost")
        END = "end", _("it has ended, in whatever way")

    task = models.ForeignKey(
        Task, verbose_name=_("task"), on_delete=models.CASCADE, related_name="dependencies"
    )
    upstream = models.ForeignKey(
        Task, verbose_name=_("runs after"), on_delete=models.CASCADE, related_name="dependents"
    )
    on = models.CharField(_("when"), max_length=10, choices=On.choices, default=On.SUCCESS)

    class Meta:
        verbose_name = _("dependency")
        verbose_name_plural = _("dependencies")
        constraints = (
            models.UniqueConstraint(name="dependency_once", fields=["task", "upstream"]),
            models.CheckConstraint(
                name="dependency_not_itself", condition=~models.Q(task=models.F("upstream"))
            ),
            models.CheckConstraint(
                name="dependency_on_known", condition=models.Q(on__in=("success", "failure", "end"))
            ),
        )

    def __str__(self) -> str:
        return f"{self.task_id} after {self.upstream_id} ({self.on})"

    def is_met_by(self, state: str) -> bool:
        """Whether an end of the upstream task in that state is the one that is waited for."""
        if self.on == self.On.END:
            return True
        wanted = (
            (State.SUCCEEDED,) if self.on == self.On.SUCCESS else (State.FAILED, State.TIMED_OUT, State.LOST)
        )
        return state in wanted
