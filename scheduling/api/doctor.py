"""The promises, examined on the live database: the last answer, and a new one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.response import Response

from jobsite.rest.views import HouseView
from scheduling.models import Examination
from scheduling.services import doctor
from scheduling.services.actor import Actor
from scheduling.services.examinations import KINDS


class BrokenSerializer(serializers.Serializer):
    text = serializers.CharField()
    kind = serializers.CharField(
        help_text=_("Of the row: execution, task, pool or node; empty: no single row.")
    )
    id = serializers.CharField(help_text=_("Of the row."))


class StatementSerializer(serializers.Serializer):
    sql = serializers.CharField()
    ms = serializers.FloatField()


class FindingSerializer(serializers.Serializer):
    name = serializers.ChoiceField(choices=list(KINDS))
    promise = serializers.CharField(help_text=_("P1 to P10, or empty."))
    looked_at = serializers.CharField()
    state = serializers.ChoiceField(choices=["kept", "broken", "unknown"])
    ms = serializers.FloatField()
    found = BrokenSerializer(many=True, help_text=_("What breaks the promise, twenty at the most."))
    more = serializers.IntegerField(help_text=_("Found beyond those."))
    statements = StatementSerializer(many=True, help_text=_("What was asked, the first ones."))


class ExaminationSerializer(serializers.Serializer):
    as_of = serializers.DateTimeField()
    took_ms = serializers.IntegerField()
    by = serializers.CharField(allow_null=True)
    source = serializers.CharField()
    healthy = serializers.BooleanField(help_text=_("Every examination came to its end and found nothing."))
    findings = FindingSerializer(many=True)


def _answer(made: Examination) -> Response:
    found = []
    for finding in doctor.findings(made):
        kind = finding.kind
        found.append(finding.as_json() | {"promise": kind.promise, "looked_at": str(kind.looked_at)})
    values = {
        "as_of": made.at,
        "took_ms": made.took_ms,
        "by": made.by.get_username() if made.by else None,
        "source": made.source,
        "healthy": made.is_healthy,
        "findings": found,
    }
    return Response(ExaminationSerializer(values).data)


class DoctorView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        "get": ("scheduling.view_examination",),
        "post": ("scheduling.view_examination", "scheduling.run_examination"),
    }

    @extend_schema(operation_id="doctor_last", responses=ExaminationSerializer)
    def get(self, request: Any) -> Response:
        """What the last examination found; 404 before the first one."""
        last = doctor.latest()
        if last is None:
            raise NotFound
        return _answer(last)

    @extend_schema(operation_id="doctor_examine", request=None, responses=ExaminationSerializer)
    def post(self, request: Any) -> Response:
        """Examines now; takes 30 s at the most. Reads the live rows and changes none."""
        return _answer(doctor.examine(actor=Actor(user=request.user, source="api")))
