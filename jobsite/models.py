"""The tables that belong to no app."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken


class Token(AuthToken):  # type: ignore[misc]  # knox is not typed
    """Knox's token, called by how it begins: its digest says nothing to people."""

    class Meta:
        proxy = True
        verbose_name = _("token")
        verbose_name_plural = _("tokens")
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.token_key}…"
