"""Columns and fields of the admin that say more than a tick, a number or raw JSON."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


@cache
def only_yes(field: models.BooleanField[Any, Any]) -> Any:
    """The word where it is so, and a dash where it is not: neither is good or bad."""

    def column(row: Any) -> str:
        return gettext("yes") if getattr(row, field.name) else "–"

    return _called(column, field.name, field.verbose_name)


def _link(row: Any) -> str:
    """To the run that has done it; the page says itself when it is gone."""
    if row.execution_id is None:
        return "–"
    address = reverse("admin:scheduling_execution_change", args=[row.execution_id])
    return format_html('<a class="text-link" href="{}">#{}</a>', address, row.execution_id)


def _called(column: Any, name: str, words: Any) -> Any:
    column.__name__ = name
    column.short_description = words
    column.admin_order_field = name
    return column


execution = _called(_link, "execution_id", _("execution"))
