"""The addresses of this app below /api/v1/."""

from __future__ import annotations

from typing import Any

from django.urls import path, re_path

from instances.api.access import WhoCanView
from instances.api.accounts import AccountChangeViewSet, AccountViewSet, DatabaseViewSet
from instances.api.aggregations import DatabaseAggregateViewSet, InstanceAggregateViewSet
from instances.api.backups import BackupViewSet
from instances.api.credentials import CredentialViewSet
from instances.api.growth import FleetView, GrowersView
from instances.api.instances import InstanceViewSet
from instances.api.limits import AnomalyViewSet, SizeLimitViewSet
from instances.api.partitions import PartitionsView, PartitionVerbView
from instances.api.sessions import SessionViewSet
from instances.api.sizes import DatabaseSizeViewSet, InstanceSizeViewSet
from instances.api.statements import StatementRunViewSet, StatementView
from instances.api.tags import TagViewSet

routes: tuple[tuple[str, Any, str], ...] = (
    ("instances", InstanceViewSet, "instance"),
    ("credentials", CredentialViewSet, "credential"),
    ("tags", TagViewSet, "tag"),
    ("sizes/totals", InstanceSizeViewSet, "instance-size"),
    ("sizes", DatabaseSizeViewSet, "database-size"),
    ("aggregations/totals", InstanceAggregateViewSet, "instance-aggregation"),
    ("aggregations", DatabaseAggregateViewSet, "database-aggregation"),
    ("anomalies", AnomalyViewSet, "anomaly"),
    ("size-limits", SizeLimitViewSet, "size-limit"),
    ("databases", DatabaseViewSet, "database"),
    ("accounts", AccountViewSet, "account"),
    ("account-changes", AccountChangeViewSet, "account-change"),
    ("sync-sessions", SessionViewSet, "sync-session"),
    ("backups", BackupViewSet, "backup"),
    ("statements", StatementRunViewSet, "statement"),
)
urlpatterns = [
    path("access/", WhoCanView.as_view(), name="access"),
    path("partitions/", PartitionsView.as_view(), name="partitions"),
    re_path(r"^partitions/(?P<name>\w{1,50})/$", PartitionVerbView.as_view(), name="partition-verb"),
    path("sql/", StatementView.as_view(), name="sql"),
    path("fleet/", FleetView.as_view(), name="fleet"),
    path("fleet/growers/", GrowersView.as_view(), name="fleet-growers"),
]
