"""Instances: where they are, how they are, and what can be asked of them."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.response import Response

from instances.api.credentials import password_field
from instances.models import Credential, Instance
from instances.services import instances, requests, visits
from jobsite.rest import fields
from jobsite.rest.idempotency import key_of, once
from jobsite.rest.permissions import of_model
from jobsite.rest.schema import IDEMPOTENT
from jobsite.rest.serializers import CleanModelSerializer
from jobsite.rest.views import Creates, Edits, HouseViewSet, Lists, Removes, Shows
from scheduling.api.execution_serializers import ExecutionSerializer


class InstanceSerializer(CleanModelSerializer):
    credential = fields.Named(
        slug_field="name", queryset=Credential.objects.all(), required=False, allow_null=True
    )
    credential_password = password_field(
        help_text=_("Needed again when the connection changes, unless the credential allows the host.")
    )

    BESIDE: ClassVar[tuple[str, ...]] = (instances.PASSWORD_FIELD,)

    class Meta:
        model = Instance
        fields = (
            "id", *instances.EDITABLE, "status", "last_error", "last_connected_at", "version", "main_version",
            "created_at", "updated_at", "deleted_at", instances.PASSWORD_FIELD,
        )  # fmt: skip
        read_only_fields = (
            "id", "status", "last_error", "last_connected_at", "version", "main_version", "created_at", "updated_at",
            "deleted_at",
        )  # fmt: skip


class InstanceFilters(django_filters.FilterSet):
    deleted = django_filters.BooleanFilter(
        method="in_bin", help_text=_("true: those in the recycle bin; otherwise the others.")
    )
    credential = django_filters.CharFilter(field_name="credential__name")
    dialect = django_filters.CharFilter()
    search = django_filters.CharFilter(method="find", help_text=_("A part of the name or the host."))

    class Meta:
        model = Instance
        fields = ("active", "credential", "deleted", "dialect", "host", "name", "search", "status")

    def filter_queryset(self, queryset: Any) -> Any:
        rows = super().filter_queryset(queryset)
        return rows if self.form.cleaned_data["deleted"] else rows.filter(deleted_at=None)

    def in_bin(self, rows: Any, _name: str, value: bool) -> Any:
        return rows.filter(deleted_at__isnull=not value)

    def find(self, rows: Any, _name: str, text: str) -> Any:
        # Names are compared exactly on every database, so their case is put aside by hand.
        rows = rows.annotate(lower_name=Lower("name"))
        return rows.filter(Q(lower_name__contains=text.lower()) | Q(host__icontains=text))


class TestAnswerSerializer(serializers.Serializer):
    ok = serializers.BooleanField()
    product = serializers.CharField()
    version = serializers.CharField()
    latency_ms = serializers.FloatField(allow_null=True)
    code = serializers.CharField(help_text=_("Stable, for programs; empty when it went well."))
    error = serializers.CharField()


class InstanceViewSet(Lists, Shows, Creates, Edits, Removes, HouseViewSet):
    queryset = Instance.objects.select_related("credential")
    serializer_class = InstanceSerializer
    filterset_class = InstanceFilters
    lookup_value_regex = r"\d{1,18}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"name": ("name",), "-name": ("-name",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = {
        **of_model("instances.instance"),
        "restore": ("instances.delete_instance",),
        "test": ("instances.change_instance",),
        "sync_sizes": ("instances.change_instance", "scheduling.run_task"),
    }

    def store_new(self, serializer: InstanceSerializer) -> Instance:
        password = serializer.validated_data.get(instances.PASSWORD_FIELD, "")
        return instances.create(serializer.build(), actor=self.actor(), password=password)

    def store(self, serializer: InstanceSerializer) -> Instance:
        password = serializer.validated_data.get(instances.PASSWORD_FIELD, "")
        return instances.edit(serializer.build(), actor=self.actor(), password=password)

    def remove(self, instance: Instance) -> None:
        instances.delete(instance, actor=self.actor())

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
        answer: dict[str, Any] = {"ok": False, "product": "", "version": "", "latency_ms": None}
        try:
            reading = instances.test_connection(self.get_object(), actor=self.actor())
        except visits.FAILURES as error:
            answer |= {"code": visits.code(error), "error": visits.sentence(error)}
        else:
            answer |= {
                "ok": True,
                "product": reading.product,
                "version": reading.version,
                "code": "",
                "error": "",
            }
            answer["latency_ms"] = reading.latency_ms
        return Response(TestAnswerSerializer(answer).data)

    @extend_schema(request=None, responses={202: ExecutionSerializer}, parameters=[IDEMPOTENT], filters=False)
    @action(detail=True, methods=["post"], url_path="sync-sizes", pagination_class=None)
    def sync_sizes(self, request: Any, pk: str) -> Response:
        """Asks for a collection of this instance's sizes; a running scheduler does it: see the execution."""
        instance = self.get_object()

        def work() -> tuple[int, Any]:
            execution = requests.collect_sizes(
                [instance], actor=self.actor(), idempotency_key=key_of(request)
            )
            return status.HTTP_202_ACCEPTED, ExecutionSerializer(execution).data

        return once(request, work)
