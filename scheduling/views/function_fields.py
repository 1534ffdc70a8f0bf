"""The fields of one function's parameters, asked for when another function is chosen in a form."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from scheduling.forms.widgets import parameters_context


@require_GET
@permission_required("scheduling.view_task", raise_exception=True)
def function_fields(request: HttpRequest) -> HttpResponse:
    """``?function=name``: a piece of HTML. An unknown function has no fields, and the piece says so."""
    name = request.GET.get("function", "")[:200]
    return render(request, "scheduling/forms/fields.html", parameters_context(name, "", check=False))
