"""Tasks that belong together and can be paused together."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from jobsite.fields import ExactCharField
from scheduling.models.names import key_validator


class Group(models.Model):
    key = ExactCharField(_("key"), max_length=100, unique=True, validators=[key_validator])
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, max_length=4_000)
    # While paused, no task of the group gets a scheduled occurrence.
    paused = models.BooleanField(_("paused"), default=False, editable=False)
    # When it last ended to be paused: before that none of its tasks was due (services/accounted.py).
    resumed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = pgettext_lazy("of tasks", "group")
        verbose_name_plural = pgettext_lazy("of tasks", "groups")
        ordering = ("key",)

    def __str__(self) -> str:
        return self.name
