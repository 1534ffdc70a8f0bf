"""The databases of managed servers: since when they are there, and until when. Written by ``services.databases``."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from instances.models.instance import Instance
from jobsite.fields import ExactCharField


class InstanceDatabase(models.Model):
    instance = models.ForeignKey(
        Instance,
        verbose_name=_("instance"),
        on_delete=models.CASCADE,
        related_name="databases",
        db_index=False,
    )
    # As the server spells it.
    name = ExactCharField(_("name"), max_length=255)
    active = models.BooleanField(_("active"), default=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    # When it was first found missing; None while it is there.
    dropped_at = models.DateTimeField(_("dropped"), null=True)
    # When it was found again after that, the last time.
    returned_at = models.DateTimeField(_("back again"), null=True)

    class Meta:
        verbose_name = _("database")
        verbose_name_plural = _("databases")
        ordering = ("instance", "name")
        constraints = (models.UniqueConstraint(name="instance_database_once", fields=["instance", "name"]),)
        indexes = (models.Index(name="instance_database_by_name", fields=["name", "instance"]),)

    def __str__(self) -> str:
        return self.name
