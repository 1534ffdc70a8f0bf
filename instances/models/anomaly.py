"""Jumps in the size of a database that are beyond its usual. Written by ``services.anomalies``."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from instances.models.instance import Instance
from jobsite.fields import ExactCharField


class SizeAnomaly(models.Model):
    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.DO_NOTHING, db_constraint=False,
        related_name="size_anomalies", db_index=False,
    )  # fmt: skip
    database = ExactCharField(_("database"), max_length=255)
    # The day of the sample after the jump, and that of the sample before it.
    date = models.DateField(_("date"))
    before_date = models.DateField(_("date before"))
    before_bytes = models.BigIntegerField(_("bytes before"))
    after_bytes = models.BigIntegerField(_("bytes after"))
    # Of this jump, a day; the median of the days before; and how far one may be from it.
    daily_bytes = models.BigIntegerField(_("bytes a day"))
    usual_bytes = models.BigIntegerField(_("usual bytes a day"))
    tolerance_bytes = models.BigIntegerField(_("tolerance in bytes"))
    found_at = models.DateTimeField(_("found"))

    class Meta:
        verbose_name = _("size anomaly")
        verbose_name_plural = _("size anomalies")
        ordering = ("-date", "instance", "database")
        constraints = (
            models.UniqueConstraint(name="size_anomaly_once", fields=["instance", "database", "date"]),
        )
        indexes = (models.Index(name="size_anomaly_by_date", fields=["date", "instance"]),)

    def __str__(self) -> str:
        return f"{self.database} {self.date}"
