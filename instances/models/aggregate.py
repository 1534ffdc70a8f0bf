"""Sizes by day, week, month and quarter. Written by ``services.aggregation``, and always computable anew.

No foreign keys in the database, as for the sizes they rest on.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from instances.models.instance import Instance
from jobsite.fields import ExactCharField


class Period(models.TextChoices):
    DAY = "day", _("day")
    WEEK = "week", _("week")  # Monday to Sunday
    MONTH = "month", _("month")
    QUARTER = "quarter", _("quarter")  # three calendar months


class SizeAggregate(models.Model):
    """What both levels share."""

    period = models.CharField(_("period"), max_length=10, choices=Period.choices)
    # The first and the last day of the period.
    start = models.DateField(_("start"))
    end = models.DateField(_("end"))
    # Days with a known size, and the first and the last of them.
    samples = models.PositiveIntegerField(_("samples"))
    first_date = models.DateField(_("first sample"))
    last_date = models.DateField(_("last sample"))
    first_bytes = models.BigIntegerField(_("first bytes"))
    last_bytes = models.BigIntegerField(_("last bytes"))
    min_bytes = models.BigIntegerField(_("least bytes"))
    max_bytes = models.BigIntegerField(_("most bytes"))
    average_bytes = models.BigIntegerField(_("average bytes"))
    # Against the average of the period before; None without one. Percent: change ÷ that average × 100.
    change_bytes = models.BigIntegerField(_("change in bytes"), null=True)
    change_percent = models.FloatField(_("change in percent"), null=True)
    # (last − first) ÷ days between them; None with one sample only.
    growth_per_day_bytes = models.BigIntegerField(_("growth per day in bytes"), null=True)
    # False: the period was not over when this was computed.
    final = models.BooleanField(_("final"))
    computed_at = models.DateTimeField(_("computed"))

    class Meta:
        abstract = True


class DatabaseSizeAggregate(SizeAggregate):
    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.DO_NOTHING, db_constraint=False,
        related_name="database_size_aggregates", db_index=False,
    )  # fmt: skip
    database = ExactCharField(_("database"), max_length=255)

    class Meta:
        verbose_name = _("database size by period")
        verbose_name_plural = _("database sizes by period")
        ordering = ("-start", "instance", "database")
        constraints = (
            models.UniqueConstraint(
                name="database_aggregate_once", fields=["instance", "database", "period", "start"]
            ),
        )
        indexes = (models.Index(name="database_aggregate_start", fields=["period", "start", "instance"]),)

    def __str__(self) -> str:
        return f"{self.database} {self.period} {self.start}"


class InstanceSizeAggregate(SizeAggregate):
    """Statistics of the instance's daily totals."""

    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.DO_NOTHING, db_constraint=False,
        related_name="instance_size_aggregates", db_index=False,
    )  # fmt: skip
    # Of the last sample's day, and what one database had on average over the whole period.
    database_count = models.PositiveIntegerField(_("databases"))
    average_database_bytes = models.BigIntegerField(_("average bytes of a database"), null=True)

    class Meta:
        verbose_name = _("instance size by period")
        verbose_name_plural = _("instance sizes by period")
        ordering = ("-start", "instance")
        constraints = (
            models.UniqueConstraint(name="instance_aggregate_once", fields=["instance", "period", "start"]),
        )
        indexes = (models.Index(name="instance_aggregate_start", fields=["period", "start", "instance"]),)

    def __str__(self) -> str:
        return f"{self.instance_id} {self.period} {self.start}"
