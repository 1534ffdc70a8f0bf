"""Whether the scheduling works: 200, or 503 with the reasons."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.response import Response

from jobsite.rest.views import HouseView
from scheduling.services import health


class HealthSerializer(serializers.Serializer):
    status = serializers.ChoiceField(choices=["healthy", "unhealthy"])
    as_of = serializers.DateTimeField()
    nodes = serializers.IntegerField(help_text=_("That beat."))
    reasons = serializers.ListField(child=serializers.CharField(), help_text=_("Why it is unhealthy."))
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text=_("Faults of single tasks; empty for who may not see tasks.")
    )


def answer(found: health.Health, *, may_see_tasks: bool) -> dict[str, Any]:
    return {
        "status": "healthy" if found.is_healthy else "unhealthy",
        "as_of": found.as_of,
        "nodes": found.nodes,
        "reasons": found.reasons,
        "warnings": found.warnings if may_see_tasks else [],
    }


class HealthView(HouseView):
    permission_classes = (AllowAny,)

    @extend_schema(responses={200: HealthSerializer, 503: HealthSerializer})
    def get(self, request: Any) -> Response:
        """For monitors: also without a login."""
        found = health.check()
        may_see_tasks = bool(request.user and request.user.has_perm("scheduling.view_task"))
        code = status.HTTP_200_OK if found.is_healthy else status.HTTP_503_SERVICE_UNAVAILABLE
        return Response(HealthSerializer(answer(found, may_see_tasks=may_see_tasks)).data, status=code)


class HealthAlias(HealthView):
    """The same with a slash at the end."""

    schema = None
