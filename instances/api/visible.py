"""Only rows of instances that the caller may see: what is hidden from her is not found, and not named."""

from __future__ import annotations

from typing import Any

from instances.models.restriction import of_visible
from jobsite.rest import fields


class OfVisible:
    """Of a set of rows of instances. It stands before the classes that list and show them."""

    #: The rows' way to their instance.
    instance_path = "instance"

    def get_queryset(self) -> Any:
        rows = super().get_queryset()  # type: ignore[misc]
        return of_visible(rows, self.request.user, self.instance_path)  # type: ignore[attr-defined]


class NamedInstance(fields.Named):
    """An instance by its name; one that is hidden from the caller is as one that does not exist."""

    def get_queryset(self) -> Any:
        rows, request = super().get_queryset(), self.context.get("request")
        return rows.none() if request is None else rows.visible_to(request.user)
