"""The functions that tasks may name, on managed instances and on log files. Each is a few lines over a service."""

from __future__ import annotations

from instances.tasks.accounts import cleanup_old_account_changes, sync_accounts
from instances.tasks.aggregates import (
    calculate_database_size_aggregations,
    calculate_instance_aggregations,
    calculate_period_aggregations,
    cleanup_old_aggregations,
    get_aggregation_status,
    validate_aggregation_config,
)
from instances.tasks.backups import database_backup
from instances.tasks.logs import cleanup_old_logs
from instances.tasks.partitions import (
    cleanup_database_size_partitions,
    create_database_size_partitions,
    get_partition_management_status,
    monitor_partition_health,
    upgrade_database_size_tables,
)
from instances.tasks.sizes import (
    cleanup_old_sessions,
    close_lost_sessions,
    collect_database_sizes,
    collect_database_sizes_by_type,
    collect_specific_instance_database_sizes,
    get_collection_status,
    validate_collection_config,
)
from instances.tasks.statements import run_sql, run_writing_sql

__all__ = [
    "calculate_database_size_aggregations",
    "calculate_instance_aggregations",
    "calculate_period_aggregations",
    "cleanup_database_size_partitions",
    "cleanup_old_account_changes",
    "cleanup_old_aggregations",
    "cleanup_old_logs",
    "cleanup_old_sessions",
    "close_lost_sessions",
    "collect_database_sizes",
    "collect_database_sizes_by_type",
    "collect_specific_instance_database_sizes",
    "create_database_size_partitions",
    "database_backup",
    "get_aggregation_status",
    "get_collection_status",
    "get_partition_management_status",
    "monitor_partition_health",
    "run_sql",
    "run_writing_sql",
    "sync_accounts",
    "upgrade_database_size_tables",
    "validate_aggregation_config",
    "validate_collection_config",
]
