"""The addresses of this app below /api/v1/."""

from __future__ import annotations

from typing import Any

from instances.api.credentials import CredentialViewSet
from instances.api.instances import InstanceViewSet
from instances.api.sessions import SessionViewSet
from instances.api.sizes import DatabaseSizeViewSet, InstanceSizeViewSet

routes: tuple[tuple[str, Any, str], ...] = (
    ("instances", InstanceViewSet, "instance"),
    ("credentials", CredentialViewSet, "credential"),
    ("sizes/totals", InstanceSizeViewSet, "instance-size"),
    ("sizes", DatabaseSizeViewSet, "database-size"),
    ("sync-sessions", SessionViewSet, "sync-session"),
)
