"""The addresses of this app below /api/v1/."""

from __future__ import annotations

from typing import Any

from django.urls import path

from instances.api.access import WhoCanView
from instances.api.accounts import AccountChangeViewSet, AccountViewSet, DatabaseViewSet
from instances.api.aggregations import DatabaseAggregateViewSet, InstanceAggregateViewSet
from instances.api.credentials import CredentialViewSet
from instances.api.instances import InstanceViewSet
from instances.api.sessions import SessionViewSet
from instances.api.sizes import DatabaseSizeViewSet, InstanceSizeViewSet

routes: tuple[tuple[str, Any, str], ...] = (
    ("instances", InstanceViewSet, "instance"),
    ("credentials", CredentialViewSet, "credential"),
    ("sizes/totals", InstanceSizeViewSet, "instance-size"),
    ("sizes", DatabaseSizeViewSet, "database-size"),
    ("aggregations/totals", InstanceAggregateViewSet, "instance-aggregation"),
    ("aggregations", DatabaseAggregateViewSet, "database-aggregation"),
    ("databases", DatabaseViewSet, "database"),
    ("accounts", AccountViewSet, "account"),
    ("account-changes", AccountChangeViewSet, "account-change"),
    ("sync-sessions", SessionViewSet, "sync-session"),
)
urlpatterns = [path("access/", WhoCanView.as_view(), name="access")]
