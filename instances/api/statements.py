"""A statement that reads, run on instances while the caller waits."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from instances.dialects.tables import MOST_CHARACTERS
from instances.exceptions import StatementRefused, UnknownInstance
from instances.services import instances, statements
from jobsite.rest import fields
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import HouseView
from scheduling.services.actor import Actor


class StatementSerializer(StrictSerializer):
    instances = serializers.ListField(
        child=fields.Text(max_length=100), min_length=1, max_length=statements.MOST_INSTANCES_WAITED_FOR,
        help_text=_("Names."),
    )  # fmt: skip
    statement = fields.Text(max_length=MOST_CHARACTERS, trim_whitespace=False)
    database = fields.Text(
        required=False, default="", allow_blank=True, max_length=255, trim_whitespace=False,
        help_text=_("Empty: the one that each instance connects to."),
    )  # fmt: skip
    max_rows = fields.WholeNumber(
        required=False, default=200, min_value=1, max_value=statements.MOST_ROWS_WAITED_FOR
    )
    timeout_seconds = fields.Number(
        required=False, default=10, min_value=0.1, max_value=statements.MOST_SECONDS_WAITED_FOR
    )


class StatementAnswerSerializer(serializers.Serializer):
    instance = serializers.CharField()
    error = serializers.CharField(
        allow_blank=True, help_text=_("Why there is no table; empty when there is one.")
    )
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField(child=serializers.JSONField(allow_null=True)))
    cut = serializers.BooleanField(help_text=_("There are more rows."))


class StatementView(HouseView):
    needs: ClassVar[dict[str, tuple[str, ...]]] = {"post": ("instances.run_sql",)}

    @extend_schema(
        operation_id="run_sql", request=StatementSerializer, responses=StatementAnswerSerializer(many=True)
    )
    def post(self, request: Any) -> Response:
        """Runs one statement in a transaction that only reads, and gives the rows. What changes something is a task."""
        asked = StatementSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        try:
            answers = statements.run(
                instances.named(values["instances"], request.user), values["statement"], database=values["database"],
                most_rows=values["max_rows"], seconds=values["timeout_seconds"],
                actor=Actor(user=request.user, source="api"),
            )  # fmt: skip
        except UnknownInstance as error:
            raise ValidationError({"instances": [str(error)]}) from error
        except StatementRefused as error:
            raise ValidationError({"statement": [str(error)]}) from error
        return Response([_row(answer) for answer in answers])


def _row(answer: statements.Answer) -> dict[str, Any]:
    table = answer.table
    return {
        "instance": answer.instance.name,
        "error": answer.error,
        "columns": table.columns if table else [],
        "rows": table.rows if table else [],
        "cut": table.cut if table else False,
    }
