"""Backups: which files there are, how large, checked and restored when. The files themselves stay where they are."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from instances.api.filters import OfInstance, changed_since
from instances.api.visible import OfVisible
from instances.models import Backup
from instances.services import sheets
from jobsite.rest.permissions import of_model
from jobsite.rest.views import Exports, HouseViewSet, Lists, Shows


class BackupSerializer(serializers.ModelSerializer):
    instance = serializers.IntegerField(source="instance_id", read_only=True)
    execution = serializers.IntegerField(source="execution_id", read_only=True, allow_null=True)
    duration_seconds = serializers.SerializerMethodField()

    class Meta:
        model = Backup
        fields = (
            "id", "instance", "database", "file", "size_bytes", "sha256", "started_at", "finished_at",
            "duration_seconds", "restored_at", "removed_at", "execution",
        )  # fmt: skip
        read_only_fields = fields

    def get_duration_seconds(self, row: Backup) -> float:
        return (row.finished_at - row.started_at).total_seconds()


class BackupFilters(OfInstance):
    kept = django_filters.BooleanFilter(
        field_name="removed_at", lookup_expr="isnull", help_text=_("Whether its file is still kept.")
    )
    restore_tested = django_filters.BooleanFilter(
        field_name="restored_at", lookup_expr="isnull", exclude=True
    )
    changed_since = changed_since("finished_at", "restored_at", "removed_at")

    class Meta:
        model = Backup
        fields = ("database", "dialect", "environment", "instance", "instance_state", "tag")


class BackupViewSet(OfVisible, Lists, Exports, Shows, HouseViewSet):
    """Newest first. Files hold whole databases: nobody hands them out, and restore_backup reads them on the server."""

    queryset = Backup.objects.all()
    serializer_class = BackupSerializer
    filterset_class = BackupFilters
    sheet = sheets.BACKUPS
    lookup_value_regex = r"\d{1,18}"
    orderings: ClassVar[dict[str, tuple[str, ...]]] = {"-id": ("-id",), "id": ("id",)}
    needs: ClassVar[dict[str, tuple[str, ...]]] = of_model("instances.backup", "list", "export", "retrieve")
