"""The Django admin of this app: one noun a file. Every write goes through the services."""

from __future__ import annotations

from instances.admin.account import AccountChangeAdmin, InstanceAccountAdmin
from instances.admin.backup import BackupAdmin
from instances.admin.credential import CredentialAdmin
from instances.admin.database import InstanceDatabaseAdmin
from instances.admin.growth import (
    DatabaseSizeAggregateAdmin,
    InstanceSizeAggregateAdmin,
    SizeAnomalyAdmin,
    TagAdmin,
)
from instances.admin.instance import InstanceAdmin
from instances.admin.limit import SizeLimitAdmin
from instances.admin.session import SyncSessionAdmin
from instances.admin.size import DatabaseSizeAdmin, InstanceSizeAdmin
from instances.admin.statement import StatementRunAdmin

__all__ = [
    "AccountChangeAdmin",
    "BackupAdmin",
    "CredentialAdmin",
    "DatabaseSizeAdmin",
    "DatabaseSizeAggregateAdmin",
    "InstanceAccountAdmin",
    "InstanceAdmin",
    "InstanceDatabaseAdmin",
    "InstanceSizeAdmin",
    "InstanceSizeAggregateAdmin",
    "SizeAnomalyAdmin",
    "SizeLimitAdmin",
    "StatementRunAdmin",
    "SyncSessionAdmin",
    "TagAdmin",
]
