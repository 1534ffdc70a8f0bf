"""The fields of one function's parameters, asked for when another function is chosen in a form."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from jobsite.keeping import kept
from scheduling.forms.widgets import parameters_context
from scheduling.views.access import staff_only


@require_GET
@staff_only("scheduling.view_task")
def show(request: HttpRequest) -> HttpResponse:
    """``?function=name``: a piece of HTML. An unknown function has no fields, and the piece says so."""
    name = request.GET.get("function", "")[:200]
    fields = render(request, "scheduling/forms/fields.html", parameters_context(name, "", check=False))
    return kept(request, fields, fields.text)
