"""The tables: one noun a file."""

from __future__ import annotations

from instances.models.account import AccountChange, InstanceAccount
from instances.models.aggregate import DatabaseSizeAggregate, InstanceSizeAggregate, Period
from instances.models.anomaly import SizeAnomaly
from instances.models.backup import Backup
from instances.models.credential import Credential
from instances.models.database import InstanceDatabase
from instances.models.instance import Instance
from instances.models.limit import SizeLimit
from instances.models.restriction import Restriction
from instances.models.session import SyncRecord, SyncSession
from instances.models.size import DatabaseSize, InstanceSize
from instances.models.statement import StatementRun
from instances.models.tag import Tag

__all__ = [
    "AccountChange",
    "Backup",
    "Credential",
    "DatabaseSize",
    "DatabaseSizeAggregate",
    "Instance",
    "InstanceAccount",
    "InstanceDatabase",
    "InstanceSize",
    "InstanceSizeAggregate",
    "Period",
    "Restriction",
    "SizeAnomaly",
    "SizeLimit",
    "StatementRun",
    "SyncRecord",
    "SyncSession",
    "Tag",
]
