"""Statements of people's own that were run on instances: who, when, what, where. Written by ``services.statements``."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Left
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from instances.models.instance import Instance
from jobsite.fields import ExactCharField

#: Characters of a statement that lists show.
SHOWN = 1_000


class StatementRunQuerySet(models.QuerySet["StatementRun"]):
    def in_short(self) -> StatementRunQuerySet:
        """For lists: of each statement no more than ``shortened`` says is read."""
        return self.defer("statement").annotate(beginning=Left("statement", SHOWN + 1))

    def of(self, instances: models.QuerySet[Instance]) -> StatementRunQuerySet:
        """Those that ran on one of these at least."""
        asked = StatementRun.asked_of.through.objects.filter(
            statementrun=models.OuterRef("pk"), instance__in=instances
        )
        return self.filter(models.Exists(asked))

    def ended_as(self, outcome: str) -> StatementRunQuerySet:
        """Those with this outcome."""
        if outcome == StatementRun.Outcome.NOT_ENDED:
            return self.filter(errors__isnull=True)
        if outcome == StatementRun.Outcome.DONE:
            return self.filter(errors={})
        return self.filter(errors__isnull=False).exclude(errors={})


class StatementRun(models.Model):
    """What was asked; what was answered is kept nowhere."""

    class Outcome(models.TextChoices):
        NOT_ENDED = "not_ended", _("not ended")  # under way, or cut off
        DONE = "done", _("done")  # on every instance
        FAILED = "failed", _("failed")  # on one instance at least

    class Source(models.TextChoices):
        ADMIN = "admin", _("page")
        API = "api", _("API")
        COMMAND = "command", _("command")
        TASK = "task", _("task")

    at = models.DateTimeField(_("when"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    source = models.CharField(pgettext_lazy("where from", "source"), max_length=10, choices=Source.choices)
    statement = models.TextField(_("statement"))
    writes = models.BooleanField(_("may change something"))
    database = ExactCharField(_("database"), max_length=500, blank=True)
    # Names, as they were.
    instances = models.JSONField(_("instances"), default=list)
    # The same as rows: who may not see one of them does not see that it was asked.
    asked_of = models.ManyToManyField(Instance, verbose_name=_("instances"), related_name="+", editable=False)
    # Name → sentence of those that failed; None until it has ended.
    errors = models.JSONField(_("errors"), null=True)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)  # given to the person, of all instances
    changed = models.PositiveBigIntegerField(_("rows changed"), default=0)
    run_ms = models.PositiveBigIntegerField(_("duration"), null=True)
    # scheduling.Execution; no foreign key, because history is pruned without asking.
    execution_id = models.BigIntegerField(_("execution"), null=True)

    objects = StatementRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        ordering = ("-id",)
        indexes = (models.Index(name="statement_run_at", fields=["at"]),)

    def __str__(self) -> str:
        return self.statement[:60]

    @property
    def outcome(self) -> StatementRun.Outcome:
        if self.errors is None:
            return self.Outcome.NOT_ENDED
        return self.Outcome.FAILED if self.errors else self.Outcome.DONE

    @property
    def duration_seconds(self) -> float | None:
        return None if self.run_ms is None else self.run_ms / 1000

    @property
    def shortened(self) -> str:
        """Of a row ``in_short``: its first characters, and an ellipsis when there are more."""
        beginning: str = getattr(self, "beginning", "") or self.statement
        return beginning if len(beginning) <= SHOWN else beginning[:SHOWN] + "…"
