"""Accounts and databases of managed servers: what the last collection found, and what has changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import django_filters
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from instances.api.filters import Moment, OfInstance, changed_since
from instances.api.visible import OfVisible
from instances.models import AccountChange, InstanceAccount, InstanceDatabase
from instances.services import histories, sheets
from jobsite.rest.permissions import of_model
from jobsite.rest.views import Exports, HouseViewSet, Lists, Shows

ACCOUNT = (
    "id", "instance", "name", "username", "host", "kind", "superuser", "locked", "grant_admin", "expires_at",
    "active", "first_seen_at", "last_seen_at", "dropped_at",
)  # fmt: skip
#: Along the unique index.
BY_INSTANCE: dict[str, tuple[str, ...]] = {
    "instance": ("instance", "name"),
    "-instance": ("-instance", "-name"),
}


class AccountSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)

    class Meta:
        model = InstanceAccount
        fields = ACCOUNT
        read_only_fields = ACCOUNT


class AccountDetailSerializer(AccountSerializer):
    attributes = serializers.DictField(read_only=True)
    privileges = serializers.DictField(read_only=True, allow_null=True)
    facts = serializers.ListField(child=serializers.DictField(), read_only=True)

    class Meta:
        model = InstanceAccount
        fields = (*ACCOUNT, "attributes", "privileges", "facts")
        read_only_fields = fields


class AccountFilters(OfInstance):
    changed_since = Moment(
        method="changed", help_text=_("With a change then or later: a time with its offset.")
    )

    class Meta:
        model = InstanceAccount
        fields = (
            "active", "dialect", "environment", "grant_admin", "instance", "instance_state", "kind", "locked", "name",
            "superuser", "tag",
        )  # fmt: skip

    def changed(self, rows: Any, _name: str, moment: datetime) -> Any:
        return rows.filter(Exists(AccountChange.objects.filter(account=OuterRef("pk"), at__gte=moment)))


class AccountViewSet(OfVisible, Lists, Exports, Shows, HouseViewSet):
    """With rights and attributes where one is shown alone."""

    queryset = InstanceAccount.objects.all()
    filterset_class = AccountFilters
    sheet = sheets.ACCOUNTS
    lookup_value_regex = r"\d{1,18}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = BY_INSTANCE
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model(
        "instances.instanceaccount", "list", "export", "retrieve"
    )

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        return rows.defer("attributes", "privileges", "facts") if self.action in ("list", "export") else rows

    def get_serializer_class(self) -> Any:
        return AccountSerializer if self.action == "list" else AccountDetailSerializer


class AccountChangeSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)
    account = serializers.IntegerField(source="account_id", read_only=True)
    session = serializers.UUIDField(source="session_id", read_only=True, allow_null=True)
    difference = serializers.DictField(read_only=True)
    summary = serializers.SerializerMethodField(help_text=_("The difference in a few words."))

    class Meta:
        model = AccountChange
        fields = ("id", "instance", "account", "name", "kind", "at", "session", "summary", "difference")
        read_only_fields = fields

    def get_summary(self, row: AccountChange) -> str:
        return histories.summary(row)


class AccountChangeFilters(OfInstance):
    changed_since = changed_since("at")
    account = django_filters.NumberFilter(
        field_name="account_id", min_value=1, max_value=2**63 - 1, decimal_places=0
    )

    class Meta:
        model = AccountChange
        fields = (
            "account", "changed_since", "dialect", "environment", "instance", "instance_state", "kind", "tag",
        )  # fmt: skip


class AccountChangeViewSet(OfVisible, Lists, Exports, HouseViewSet):
    """Newest first."""

    queryset = AccountChange.objects.all()
    serializer_class = AccountChangeSerializer
    filterset_class = AccountChangeFilters
    sheet = sheets.ACCOUNT_CHANGES
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"-id": ("-id",), "id": ("id",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.accountchange", "list", "export")


class DatabaseSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)

    class Meta:
        model = InstanceDatabase
        fields = (
            "id", "instance", "name", "active", "first_seen_at", "last_seen_at", "dropped_at", "returned_at",
        )  # fmt: skip
        read_only_fields = fields


class DatabaseFilters(OfInstance):
    changed_since = changed_since("first_seen_at", "dropped_at", "returned_at")

    class Meta:
        model = InstanceDatabase
        fields = (
            "active", "changed_since", "dialect", "environment", "instance", "instance_state", "name", "tag",
        )  # fmt: skip


class DatabaseViewSet(OfVisible, Lists, Exports, HouseViewSet):
    """Since when they are there, and until when."""

    queryset = InstanceDatabase.objects.all()
    serializer_class = DatabaseSerializer
    filterset_class = DatabaseFilters
    sheet = sheets.DATABASES
    orderings: ClassVar[dict[str, tuple[str, ...]]] = BY_INSTANCE
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.instancedatabase", "list", "export")
