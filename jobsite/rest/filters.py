"""Filters by query parameters. One that is not known is an error: a slip must not widen the answer."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError

from jobsite.rest.errors import from_django
from jobsite.rest.pagination import PARAMETERS
from scheduling.words import did_you_mean


class StrictFilters(DjangoFilterBackend):
    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        if getattr(view, "action", "list") not in ("list", "export"):
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
