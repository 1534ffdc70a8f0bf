"""The statements about our own tables that the ORM has no words for: partitions by month. One file per database."""

from __future__ import annotations

from typing import Any

from instances.sql.base import Partition as Partition
from instances.sql.base import Partitions


def partitions(connection: Any) -> Partitions:
    """Those of this database connection."""
    if connection.vendor == "postgresql":
        from instances.sql.postgresql import PostgreSQLPartitions

        return PostgreSQLPartitions(connection)
    if connection.vendor == "mysql":
        from instances.sql.mysql import MySQLPartitions

        return MySQLPartitions(connection)
    return Partitions(connection)
