"""A statement that reads, run on instances while the caller waits; and which statements were run, by whom, where."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from instances.api.filters import Moment, OfInstance
from instances.api.visible import OfVisible
from instances.dialects.tables import MOST_CHARACTERS
from instances.exceptions import StatementRefused, UnknownInstance
from instances.models import Instance, StatementRun
from instances.models.statement import SHOWN
from instances.services import instances, sheets, statements
from jobsite import exports
from jobsite.rest import fields
from jobsite.rest.permissions import of_model
from jobsite.rest.serializers import StrictSerializer
from jobsite.rest.views import Exports, HouseView, HouseViewSet, Lists, Shows
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
    format = fields.Choice(
        required=False, default="json", choices=["json", "csv"],
        help_text=_("csv: the rows as a file, as the page gives it."),
    )  # fmt: skip


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
        operation_id="run_sql", request=StatementSerializer,
        responses={
            (200, "application/json"): StatementAnswerSerializer(many=True), (200, "text/csv"): OpenApiTypes.STR,
        },
    )  # fmt: skip
    def post(self, request: Any) -> Any:
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
        if values["format"] == "csv":
            return exports.file("answers", statements.as_spreadsheet(answers))
        return Response([_row(answer) for answer in answers])


class StatementRunSerializer(serializers.ModelSerializer):
    by = serializers.SlugRelatedField(slug_field="username", read_only=True, allow_null=True)
    instances = serializers.ListField(child=serializers.CharField(), help_text=_("Names, as they were."))
    outcome = serializers.ChoiceField(choices=StatementRun.Outcome.choices)
    errors = serializers.DictField(
        child=serializers.CharField(), allow_null=True,
        help_text=_("Name of the instance to sentence, of those that failed; null: it has not ended."),
    )  # fmt: skip
    rows = serializers.IntegerField(help_text=_("Rows that were answered, of all instances."))
    duration_seconds = serializers.FloatField(allow_null=True)
    execution = serializers.IntegerField(source="execution_id", allow_null=True)

    class Meta:
        model = StatementRun
        fields = (
            "id", "at", "by", "source", "statement", "writes", "database", "instances", "outcome", "errors", "rows",
            "changed", "duration_seconds", "execution",
        )  # fmt: skip
        read_only_fields = fields


class StatementRunListSerializer(StatementRunSerializer):
    statement = serializers.CharField(
        source="shortened",
        help_text=_("Its first %d characters; then an ellipsis stands for the others.") % SHOWN,
    )


class StatementRunFilters(OfInstance):
    """A statement has several instances: one of them is as the filters want it."""

    instance = django_filters.NumberFilter(
        method="asked", min_value=1, max_value=2**63 - 1, decimal_places=0,
    )  # fmt: skip
    by = django_filters.CharFilter(field_name="by__username", help_text=_("A user name."))
    since = Moment(field_name="at", lookup_expr="gte")
    until = Moment(field_name="at", lookup_expr="lte")
    outcome = django_filters.ChoiceFilter(choices=StatementRun.Outcome.choices, method="ended")
    execution = django_filters.NumberFilter(
        field_name="execution_id", min_value=1, max_value=2**63 - 1, decimal_places=0
    )

    class Meta:
        model = StatementRun
        fields = (
            "by", "dialect", "environment", "execution", "instance", "instance_state", "outcome", "since", "source",
            "tag", "until", "writes",
        )  # fmt: skip

    def asked(self, rows: Any, _name: str, value: Any) -> Any:
        return rows.of(Instance.objects.filter(pk=value))

    def of_instances(self, rows: Any, name: str, value: str) -> Any:
        return rows.of(Instance.objects.filter(**{self.FIELDS.get(name, name): value}))

    def ended(self, rows: Any, _name: str, value: str) -> Any:
        return rows.ended_as(value)


class StatementRunViewSet(OfVisible, Lists, Exports, Shows, HouseViewSet):
    """Newest first; never what was answered."""

    queryset = StatementRun.objects.select_related("by")
    filterset_class = StatementRunFilters
    sheet = sheets.STATEMENTS
    instance_path = "asked_of"
    lookup_value_regex = r"\d{1,18}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"-id": ("-id",), "id": ("id",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model(
        "instances.statementrun", "list", "export", "retrieve"
    )

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        return rows if self.action == "retrieve" else rows.in_short()

    def get_serializer_class(self) -> Any:
        return StatementRunSerializer if self.action == "retrieve" else StatementRunListSerializer


def _row(answer: statements.Answer) -> dict[str, Any]:
    table = answer.table
    return {
        "instance": answer.instance.name,
        "error": answer.error,
        "columns": table.columns if table else [],
        "rows": table.rows if table else [],
        "cut": table.cut if table else False,
    }
