"""Only rows of instances that the person may see: what is hidden from her is not found, not counted and not offered."""

from __future__ import annotations

from typing import Any, ClassVar

from django.forms import ModelChoiceField
from django.http import HttpRequest

from instances.models import Instance
from instances.models.restriction import of_visible


class OfVisible:
    """Of the pages of one kind of rows of instances. It stands before the admin's class."""

    #: The rows' way to their instance.
    instance_path = "instance"
    #: Not joined: MariaDB would begin with the instances and sort all of their rows.
    list_select_related: ClassVar[Any] = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)  # type: ignore[misc]
        rows = of_visible(rows, request.user, self.instance_path)
        return rows.prefetch_related("instance") if self.instance_path == "instance" else rows

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A number that is sent for an instance is as good as a chosen one."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]
        if isinstance(field, ModelChoiceField) and db_field.related_model is Instance:
            field.queryset = Instance.objects.visible_to(request.user)
        return field
