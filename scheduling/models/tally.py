"""How many executions ended in a quarter of an hour, and how: what charts are drawn from, instead of from history."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from scheduling.models.execution import State


class Tally(models.Model):
    """One row for each state that occurred, and one without a state, which says that the quarter was counted.

    A quarter, because the days of every zone begin at one (India, Nepal). All of it can be counted anew from
    the executions, as long as those are kept.
    """

    quarter = models.DateTimeField(_("from"))  # UTC, a whole quarter of an hour
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default="")
    number = models.BigIntegerField(_("number"), default=0)
    # How many runs took how long: bucket → number (services/durations.py); empty for what never ran.
    durations = models.JSONField(_("durations"), default=dict)
    # Of the row without a state: when this was counted.
    counted_at = models.DateTimeField(_("counted"), null=True)

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        ordering = ("-quarter",)
        constraints = (models.UniqueConstraint(name="tally_once", fields=["quarter", "state"]),)

    def __str__(self) -> str:
        return f"{self.quarter:%Y-%m-%d %H:%M} {self.state}: {self.number}"
