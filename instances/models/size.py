"""How large databases and instances were, one row a day. Written by ``services.sizes``.

No foreign keys in the database: these tables are partitioned by month, and lose old months whole.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from instances.models.instance import Instance
from instances.models.partitioned import MonthlyPartitions
from jobsite.fields import ExactCharField


class DatabaseSize(models.Model):
    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.DO_NOTHING, db_constraint=False,
        related_name="database_sizes", db_index=False,
    )  # fmt: skip
    # As the server spells it.
    database = ExactCharField(_("database"), max_length=255)
    # The day of the collection in the installation's zone for tasks (JOBSITE_TASK_TIME_ZONE).
    date = models.DateField(_("date"))
    # None: the server does not tell; reason says why.
    total_bytes = models.BigIntegerField(_("total bytes"), null=True)
    data_bytes = models.BigIntegerField(_("data bytes"), null=True)
    index_bytes = models.BigIntegerField(_("index bytes"), null=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    collected_at = models.DateTimeField(_("collected"))

    class Meta:
        verbose_name = _("database size")
        verbose_name_plural = _("database sizes")
        ordering = ("-date", "instance", "database")
        constraints = (
            models.UniqueConstraint(name="database_size_daily", fields=["instance", "database", "date"]),
            MonthlyPartitions(name="database_size_partitions", column="date"),
        )
        indexes = (models.Index(name="database_size_by_date", fields=["date", "instance"]),)

    def __str__(self) -> str:
        return f"{self.database} {self.date}"


class InstanceSize(models.Model):
    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.DO_NOTHING, db_constraint=False,
        related_name="instance_sizes", db_index=False,
    )  # fmt: skip
    date = models.DateField(_("date"))
    # The sum of what is known; None when no database tells.
    total_bytes = models.BigIntegerField(_("total bytes"), null=True)
    database_count = models.PositiveIntegerField(_("databases"))
    # How many of them do not tell their size.
    unknown_count = models.PositiveIntegerField(_("databases of unknown size"), default=0)
    collected_at = models.DateTimeField(_("collected"))

    class Meta:
        verbose_name = _("instance size")
        verbose_name_plural = _("instance sizes")
        ordering = ("-date", "instance")
        constraints = (
            models.UniqueConstraint(name="instance_size_daily", fields=["instance", "date"]),
            MonthlyPartitions(name="instance_size_partitions", column="date"),
        )
        indexes = (models.Index(name="instance_size_by_date", fields=["date", "instance"]),)

    def __str__(self) -> str:
        return f"{self.instance_id} {self.date}"
