"""Files with the contents of a managed database. Written by ``services.backups``."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from instances.models.instance import Instance
from jobsite.fields import ExactCharField


class Backup(models.Model):
    instance = models.ForeignKey(
        Instance, verbose_name=_("instance"), on_delete=models.PROTECT, related_name="backups", db_index=False
    )
    database = ExactCharField(_("database"), max_length=500)
    # Below JOBSITE_BACKUP_ROOT.
    file = models.CharField(_("file"), max_length=500)
    size_bytes = models.BigIntegerField(_("bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"))
    # When it was last restored into a database that was then thrown away.
    restored_at = models.DateTimeField(_("restore tested"), null=True)
    # When the file was removed because newer ones are kept.
    removed_at = models.DateTimeField(_("removed"), null=True)
    execution_id = models.BigIntegerField(_("execution"), null=True)

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        ordering = ("-id",)
        indexes = (models.Index(name="backup_of_database", fields=["instance", "database", "-id"]),)

    def __str__(self) -> str:
        return self.file
