"""What the doctor found when it last looked for broken promises: kept so that a page can say how old the answer is."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Examination(models.Model):
    at = models.DateTimeField(_("as of"))
    took_ms = models.BigIntegerField(_("duration (ms)"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("by"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    source = models.CharField(_("source"), max_length=10)
    # How many of its findings are kept, broken and unknown; the findings themselves as services/doctor.py writes them.
    kept = models.IntegerField(_("kept"))
    broken = models.IntegerField(_("broken"))
    unknown = models.IntegerField(_("not known"))
    findings = models.JSONField(_("findings"), default=list)

    class Meta:
        verbose_name = _("examination")
        verbose_name_plural = _("examinations")
        ordering = ("-id",)
        permissions = (("run_examination", _("Can have the promises examined")),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def is_healthy(self) -> bool:
        return not self.broken and not self.unknown
