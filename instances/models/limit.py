"""How large an instance, or one of its databases, may become. Written by ``services.limits``, with its forecast."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from instances.models.instance import Instance
from jobsite.fields import ExactCharField


class SizeLimit(models.Model):
    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.CASCADE, related_name="size_limits",
        db_index=False,
    )  # fmt: skip
    # As the server spells it; empty: the whole instance.
    database = ExactCharField(
        _("database"), max_length=255, blank=True, help_text=_("Empty: the whole instance.")
    )
    limit_bytes = models.BigIntegerField(_("limit in bytes"), validators=[MinValueValidator(1)])
    # As of ``computed_at``: the newest known size; the growth a day of the straight line that fits best; and the day
    # on which that line reaches the limit. None: unknown, or not at this rate.
    used_bytes = models.BigIntegerField(_("size"), null=True, editable=False)
    growth_per_day_bytes = models.BigIntegerField(_("growth per day in bytes"), null=True, editable=False)
    full_on = models.DateField(_("full on"), null=True, editable=False)
    computed_at = models.DateTimeField(_("computed"), editable=False)

    class Meta:
        verbose_name = _("size limit")
        verbose_name_plural = _("size limits")
        ordering = ("full_on", "instance", "database")
        constraints = (models.UniqueConstraint(name="size_limit_once", fields=["instance", "database"]),)
        indexes = (models.Index(name="size_limit_full_on", fields=["full_on"]),)

    def __str__(self) -> str:
        return f"{self.instance}: {self.database}" if self.database else str(self.instance)
