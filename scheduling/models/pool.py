"""A limit that tasks share: seats that their running executions fill by weight."""

from __future__ import annotations

from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from jobsite.fields import ExactCharField
from scheduling.models.names import key_validator


class Pool(models.Model):
    key = ExactCharField(_("key"), max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(_("name"), max_length=200, blank=True)
    capacity = models.IntegerField(
        _("capacity"),
        help_text=_("The sum of the weights that may run at the same time, on all nodes together."),
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
    )
    paused = models.BooleanField(
        _("paused"), default=False, help_text=_("While paused, nothing of it starts.")
    )
    # A token bucket for a rate limit; null: no limit.
    tokens_per_minute = models.IntegerField(
        _("starts per minute"),
        null=True,
        blank=True,
        help_text=_(
            "So many of its runs may start in a minute, evenly spread, on all nodes together. Empty: any."
        ),
        validators=[MinValueValidator(1), MaxValueValidator(600_000)],
    )
    tokens = models.FloatField(null=True, editable=False)
    refilled_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        ordering = ("key",)
        constraints = (models.CheckConstraint(name="pool_capacity", condition=models.Q(capacity__gte=1)),)

    def __str__(self) -> str:
        return self.name or self.key

    def tokens_at(self, now: datetime) -> float | None:
        """How many of its runs may start at once, by its rate; None: it has none. At most a second's worth, or one."""
        if self.tokens_per_minute is None:
            return None
        most = max(1.0, self.tokens_per_minute / 60)
        if self.tokens is None or self.refilled_at is None:
            return most
        passed = max(0.0, (now - self.refilled_at).total_seconds())  # a clock set back refills nothing
        return min(most, self.tokens + passed * self.tokens_per_minute / 60)
