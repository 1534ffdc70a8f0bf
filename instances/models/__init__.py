"""The tables: one noun a file."""

from __future__ import annotations

from instances.models.credential import Credential
from instances.models.instance import Instance
from instances.models.session import SyncRecord, SyncSession
from instances.models.size import DatabaseSize, InstanceSize

__all__ = ["Credential", "DatabaseSize", "Instance", "InstanceSize", "SyncRecord", "SyncSession"]
