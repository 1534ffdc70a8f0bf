"""Filters by query parameters. One that is not known is an error: a slip must not widen the answer."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError as Invalid
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from jobsite.rest.errors import from_django
from jobsite.rest.fields import Moment
from jobsite.rest.pagination import PARAMETERS
from scheduling.words import did_you_mean


class _MomentField(forms.Field):
    def to_python(self, value: Any) -> Any:
        if value in (None, ""):
            return None
        try:
            return Moment().run_validation(value)
        except ValidationError as error:
            raise Invalid([str(text) for text in error.detail]) from error


@extend_schema_field(OpenApiTypes.DATETIME)
class Since(django_filters.Filter):
    """Rows from a moment on, given with its offset from UTC as everywhere in the API."""

    field_class = _MomentField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"lookup_expr": "gte", **kwargs})


class StrictFilters(DjangoFilterBackend):
    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        if getattr(view, "action", "list") != "list":
            return queryset  # one row is looked up by its name alone
        filterset = self.checked(request, queryset, view)
        return queryset if filterset is None else filterset.qs

    def checked(self, request: Any, queryset: Any, view: Any) -> Any:
        """The valid filters; None: the view has none. Raises ValidationError."""
        filterset = self.get_filterset(request, queryset, view)
        known = [*PARAMETERS, *(filterset.filters if filterset else ())]
        unknown = [name for name in request.query_params if name not in known]
        if unknown:
            raise ValidationError(
                {
                    name[:100]: [_("This is not known.") + did_you_mean(name[:100], known)]
                    for name in unknown[:20]
                }
            )
        if filterset is not None and not filterset.is_valid():
            raise from_django(Invalid(filterset.errors.as_data()))
        return filterset
