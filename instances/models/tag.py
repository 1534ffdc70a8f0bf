"""Words that people put on instances, to find them again."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from jobsite.fields import ExactCharField

name_rule = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]*\Z",
    _("Lower-case letters, digits, dots, hyphens and underscores; a letter or digit first."),
)
colour_rule = RegexValidator(r"\A#[0-9a-f]{6}\Z", _("A colour such as #1f6feb."))


class Tag(models.Model):
    name = ExactCharField(_("name"), max_length=50, unique=True, validators=[name_rule])
    label = models.CharField(_("label"), max_length=100, blank=True)
    category = models.CharField(_("category"), max_length=50, blank=True)
    colour = models.CharField(_("colour"), max_length=7, default="#6b7280", validators=[colour_rule])

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ("category", "name")

    def __str__(self) -> str:
        return self.label or self.name
