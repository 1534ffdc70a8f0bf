"""Times in the lists and forms of the admin: every column of moments is shown by the filter ``moment``, every one of
days as other pages show days.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.html import format_html

from jobsite.templatetags.jobsite import moment

Column = Callable[[Any], str]


@cache
def time_column(field: models.DateField[Any, Any]) -> Column:
    """A column of the admin for this field; the same one each time, because the admin compares them."""

    def column(row: Any) -> str:
        value = getattr(row, field.name)
        if isinstance(field, models.DateTimeField):
            return moment(value)
        return (
            "–"
            if value is None
            else format_html('<span class="whitespace-nowrap">{}</span>', value.isoformat())
        )

    column.__name__ = field.name  # names the cell's class, as the field would
    column.short_description = field.verbose_name  # type: ignore[attr-defined]
    column.admin_order_field = field.name  # type: ignore[attr-defined]
    return column


def shown(model: type[models.Model], name: Any) -> Any:
    """What stands for the column in the admin: a moment's own column, anything else as it is."""
    if not isinstance(name, str):
        return name
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    return time_column(field) if isinstance(field, models.DateField) else name


def mend_form(
    form: Any, model: type[models.Model], fieldsets: Iterable[Any], readonly: Collection[Any]
) -> None:
    """Puts moments' columns in the place of the fields that ``form`` (an admin form or formset) only shows."""

    def mended(name: Any) -> Any:
        if isinstance(name, list | tuple):  # several on one line
            return type(name)(mended(each) for each in name)
        return shown(model, name) if name in readonly else name

    form.readonly_fields = [shown(model, name) for name in readonly]
    form.fieldsets = [
        (title, {**options, "fields": [mended(name) for name in options["fields"]]})
        for title, options in fieldsets
    ]
