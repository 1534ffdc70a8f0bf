"""The fields of one function's parameters, and what it declares, asked for when another is chosen in a form."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from jobsite.keeping import kept
from scheduling.forms.widgets import parameters_context
from scheduling.models import Task
from scheduling.services import definitions
from scheduling.views.access import staff_only


@require_GET
@staff_only("scheduling.view_task")
def show(request: HttpRequest) -> HttpResponse:
    """``?function=name``: a piece of HTML. An unknown function has no fields, and the piece says so."""
    name = request.GET.get("function", "")[:200]
    declared = definitions.function_defaults(name)
    context = parameters_context(name, "", check=False)
    context |= {"declared": json.dumps(declared) if declared else "", "declares": _sentence(declared)}
    fields = render(request, "scheduling/forms/fields.html", context)
    return kept(request, fields, fields.text)


def _sentence(declared: dict[str, Any]) -> str:
    """What it declares otherwise than everybody does; empty when there is nothing."""
    said = [
        f"{field.verbose_name}: {declared[field.name]}"
        for field in Task._meta.concrete_fields
        if field.name in declared and declared[field.name] != field.get_default()
    ]
    return _("The function declares: %s.") % ", ".join(said) if said else ""
