"""A limit that tasks share: seats that their running executions fill by weight."""

from __future__ import annotations

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
    tokens = models.FloatField(null=True, editable=False)
    tokens_per_minute = models.IntegerField(null=True, editable=False)
    refilled_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("pool")
        verbose_name_plural = _("pools")
        ordering = ("key",)
        constraints = (models.CheckConstraint(name="pool_capacity", condition=models.Q(capacity__gte=1)),)

    def __str__(self) -> str:
        return self.name or self.key
