"""Permissions in the reader's language: Django stores their names in English."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Permission
from django.utils.translation import gettext as _


def words_of(permission: Permission) -> str:
    """As Django says it in English: “Scheduling | task | Can run a task”."""
    kind = permission.content_type
    model = kind.model_class()
    what = model._meta.verbose_name if model else kind.model
    common = {
        f"add_{kind.model}": _("Can add %(what)s"),
        f"change_{kind.model}": _("Can change %(what)s"),
        f"delete_{kind.model}": _("Can delete %(what)s"),
        f"view_{kind.model}": _("Can view %(what)s"),
    }
    words = common.get(permission.codename)
    return f"{kind} | {words % {'what': what} if words else _(permission.name)}"


class PermissionsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return words_of(obj)


def worded(db_field: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options of an admin's form field, for `formfield_for_manytomany`."""
    return (
        {**options, "form_class": PermissionsField} if db_field.remote_field.model is Permission else options
    )
