"""Instances: where they are, how they are, and what can be asked of them."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import django_filters
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from instances import dialects
from instances.api.connections import (
    NamedTestAnswerSerializer,
    RightsSerializer,
    TestAnswerSerializer,
    TestsAskedSerializer,
    answer_of,
)
from instances.api.credentials import password_field
from instances.api.filters import changed_since
from instances.api.growth import (
    ForecastAskedSerializer,
    ForecastsSerializer,
    GrowthAskedSerializer,
    GrowthSerializer,
    asked_of,
    forecast_of,
    growth_of,
)
from instances.api.visible import OfVisible
from instances.exceptions import FileNotUnderstood, UnknownInstance
from instances.models import Credential, Instance
from instances.services import exchange, instances, requests, sheets
from jobsite.rest import fields
from jobsite.rest.idempotency import key_of, once
from jobsite.rest.permissions import of_model
from jobsite.rest.schema import IDEMPOTENT
from jobsite.rest.serializers import CleanModelSerializer, StrictSerializer
from jobsite.rest.views import Creates, Edits, Exports, HouseViewSet, Lists, Removes, Shows
from scheduling.api.execution_serializers import ExecutionSerializer
from scheduling.sql.transactions import in_transaction


class TagNames(serializers.ListField):
    child = fields.Text(max_length=100)

    def to_representation(self, data: Any) -> list[str]:
        return [tag.name for tag in data.all()]


class RoleNames(serializers.ListField):
    child = fields.Text(max_length=150)

    def to_representation(self, data: Any) -> list[str]:
        return sorted(role.name for role in data.all())


class InstanceSerializer(CleanModelSerializer):
    tags = TagNames(required=False, max_length=100)
    credential = fields.Named(
        slug_field="name", queryset=Credential.objects.all(), required=False, allow_null=True
    )
    credential_password = password_field(
        help_text=_("Needed again when the connection changes, unless the credential allows the host.")
    )

    restricted_to = RoleNames(
        required=False, max_length=100,
        help_text=_("Names of roles. None: for everybody who may see instances; else for their members alone."),
    )  # fmt: skip

    rights = serializers.SerializerMethodField(help_text=_("As of the last test; null: not known."))

    BESIDE: ClassVar[tuple[str, ...]] = (instances.PASSWORD_FIELD, "tags", "restricted_to")

    class Meta:
        model = Instance
        fields = (
            "id", *instances.EDITABLE, "tags", "restricted_to", "status", "last_error", "last_connected_at", "version",
            "main_version", "rights", "created_at", "updated_at", "deleted_at", instances.PASSWORD_FIELD,
        )  # fmt: skip
        read_only_fields = (
            "id", "status", "last_error", "last_connected_at", "version", "main_version", "created_at", "updated_at",
            "deleted_at",
        )  # fmt: skip

    @extend_schema_field(RightsSerializer(allow_null=True))
    def get_rights(self, instance: Instance) -> Any:
        return instance.rights or None


class InstanceFilters(django_filters.FilterSet):
    deleted = django_filters.BooleanFilter(
        method="in_bin", help_text=_("true: those in the recycle bin; otherwise the others.")
    )
    credential = django_filters.CharFilter(field_name="credential__name")
    dialect = django_filters.ChoiceFilter(choices=dialects.choices)
    tag = django_filters.CharFilter(field_name="tags__name")
    changed_since = changed_since("updated_at")
    search = django_filters.CharFilter(method="find", help_text=_("A part of the name or the host."))

    class Meta:
        model = Instance
        fields = (
            "active", "changed_since", "credential", "deleted", "dialect", "environment", "host", "name", "search",
            "status", "tag",
        )  # fmt: skip

    def filter_queryset(self, queryset: Any) -> Any:
        rows = super().filter_queryset(queryset)
        return rows if self.form.cleaned_data["deleted"] else rows.filter(deleted_at=None)

    def in_bin(self, rows: Any, _name: str, value: bool) -> Any:
        return rows.filter(deleted_at__isnull=not value)

    def find(self, rows: Any, _name: str, text: str) -> Any:
        # Names are compared exactly on every database, so their case is put aside by hand.
        rows = rows.annotate(lower_name=Lower("name"))
        return rows.filter(Q(lower_name__contains=text.lower()) | Q(host__icontains=text))


FATES = (exchange.CREATED, exchange.UPDATED, exchange.UNCHANGED, exchange.REFUSED)


class ImportSerializer(StrictSerializer):
    text = fields.Text(trim_whitespace=False, help_text=_("The file, as export_instances writes it."))
    format = fields.Choice(choices=list(exchange.FORMATS))
    dry_run = fields.YesNo(
        required=False, default=False, help_text=_("Say what would be done, and do nothing.")
    )
    update = fields.YesNo(required=False, default=False, help_text=_("Change those that exist."))


class FateSerializer(serializers.Serializer):
    number = serializers.IntegerField()
    name = serializers.CharField()
    fate = serializers.ChoiceField(choices=list(FATES))
    problems = serializers.ListField(child=serializers.CharField())


class ImportAnswerSerializer(serializers.Serializer):
    counts = serializers.DictField(child=serializers.IntegerField())
    rows = FateSerializer(many=True)


class InstanceViewSet(OfVisible, Lists, Exports, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Instance.objects.select_related("credential").prefetch_related("tags", "restricted_to")
    instance_path = "pk"
    serializer_class = InstanceSerializer
    filterset_class = InstanceFilters
    sheet = sheets.INSTANCES
    lookup_value_regex = r"\d{1,18}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"name": ("name",), "-name": ("-name",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("instances.instance"),
        "growth": ("instances.view_instance", "instances.view_instancesize"),
        "forecast": ("instances.view_instance", "instances.view_instancesize"),
        "load": ("instances.add_instance", "instances.change_instance"),
        "restore": ("instances.delete_instance",),
        "test": ("instances.change_instance",),
        "test_many": ("instances.change_instance",),
        "sync_sizes": ("instances.view_instance", "scheduling.run_task"),
        "sync_accounts": ("instances.view_instance", "scheduling.run_task"),
    }

    def store_new(self, serializer: InstanceSerializer) -> Instance:
        password = serializer.validated_data.get(instances.PASSWORD_FIELD, "")
        return self._with_lists(serializer, partial(instances.create, actor=self.actor(), password=password))

    def store(self, serializer: InstanceSerializer) -> Instance:
        password = serializer.validated_data.get(instances.PASSWORD_FIELD, "")
        return self._with_lists(serializer, partial(instances.edit, actor=self.actor(), password=password))

    def _with_lists(self, serializer: InstanceSerializer, store: Any) -> Instance:
        def work() -> Instance:
            instance: Instance = store(serializer.build())
            if "tags" in serializer.validated_data:
                instances.set_tags(instance, serializer.validated_data["tags"], actor=self.actor())
            if "restricted_to" in serializer.validated_data:
                roles = serializer.validated_data["restricted_to"]
                instances.restrict(instance, roles, actor=self.actor())
            return instance

        return Instance.objects.get(pk=in_transaction(work).pk)

    def remove(self, instance: Instance) -> None:
        instances.delete(instance, actor=self.actor())

    @extend_schema(request=ImportSerializer, responses=ImportAnswerSerializer, filters=False)
    @action(detail=False, methods=["post"], url_path="import", pagination_class=None)
    def load(self, request: Any) -> Response:
        """Makes an instance for each row of a file; what is refused does not stop the others."""
        asked = self.read(ImportSerializer)
        try:
            fates = exchange.load(asked.pop("text"), asked.pop("format"), actor=self.actor(), **asked)
        except FileNotUnderstood as error:
            raise ValidationError({"text": [str(error)]}) from error
        counts = {each: sum(fate.fate == each for fate in fates) for each in FATES}
        return Response(ImportAnswerSerializer({"counts": counts, "rows": fates}).data)

    @extend_schema(parameters=[GrowthAskedSerializer], responses=GrowthSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def growth(self, request: Any, pk: str) -> Response:
        """How large the instance, or one of its databases, was day by day, and how much it has grown since."""
        return Response(growth_of(self.get_object(), asked_of(GrowthAskedSerializer, request)))

    @extend_schema(parameters=[ForecastAskedSerializer], responses=ForecastsSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def forecast(self, request: Any, pk: str) -> Response:
        """In how many days a limit is reached if it goes on as in the last 30, 90 and 180 days."""
        return Response(forecast_of(self.get_object(), asked_of(ForecastAskedSerializer, request)))

    @extend_schema(request=None, responses=InstanceSerializer, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def restore(self, request: Any, pk: str) -> Response:
        """Out of the recycle bin."""
        instance = self.get_object()
        instances.restore(instance, actor=self.actor())
        return self.answer(instance)

    @extend_schema(request=None, responses=TestAnswerSerializer, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def test(self, request: Any, pk: str) -> Response:
        """Connects now, and says what came of it; takes as long as the instance's timeouts at most."""
        instance = self.get_object()
        if instance.deleted_at is not None:
            raise ValidationError({"non_field_errors": [_("Restore the instance first.")]})
        ((_instance, outcome),) = instances.test_connections([instance], actor=self.actor())
        return Response(TestAnswerSerializer(answer_of(outcome)).data)

    @extend_schema(
        operation_id="instances_test_many", request=TestsAskedSerializer,
        responses=NamedTestAnswerSerializer(many=True), filters=False,
    )  # fmt: skip
    @action(detail=False, methods=["post"], url_path="test", pagination_class=None)
    def test_many(self, request: Any) -> Response:
        """Connects to all of them side by side, and says what came of each."""
        names = self.read(TestsAskedSerializer)["instances"]
        try:
            chosen = instances.present(names, request.user)
        except UnknownInstance as error:
            raise ValidationError({"instances": [str(error)]}) from error
        outcomes = instances.test_connections(chosen, actor=self.actor())
        answers = [{"instance": instance.name, **answer_of(outcome)} for instance, outcome in outcomes]
        return Response(NamedTestAnswerSerializer(answers, many=True).data)

    @extend_schema(request=None, responses={202: ExecutionSerializer}, parameters=[IDEMPOTENT], filters=False)
    @action(detail=True, methods=["post"], url_path="sync-sizes", pagination_class=None)
    def sync_sizes(self, request: Any, pk: str) -> Response:
        """Asks for a collection of this instance's sizes; a running scheduler does it: see the execution."""
        return self._collect(requests.collect_sizes)

    @extend_schema(request=None, responses={202: ExecutionSerializer}, parameters=[IDEMPOTENT], filters=False)
    @action(detail=True, methods=["post"], url_path="sync-accounts", pagination_class=None)
    def sync_accounts(self, request: Any, pk: str) -> Response:
        """Asks who has an account and which rights on this instance; a running scheduler does it."""
        return self._collect(requests.collect_accounts)

    def _collect(self, verb: Any) -> Response:
        instance = self.get_object()

        def work() -> tuple[int, Any]:
            execution = verb([instance], actor=self.actor(), idempotency_key=key_of(self.request))
            return status.HTTP_202_ACCEPTED, ExecutionSerializer(execution).data

        return once(self.request, work)
