"""What instances, and what is known of them, look like in a CSV file."""

from __future__ import annotations

from instances.services import histories
from jobsite.exports import Sheet

OF_INSTANCE = ("instance",)

#: For looking; ``services.exchange`` writes the files that are read back.
INSTANCES = Sheet(
    "instances",
    ("name",),
    {
        "id": "id", "name": "name", "dialect": "dialect", "host": "host", "port": "port", "database": "database",
        "credential": "credential.name", "environment": "environment", "active": "active", "status": "status",
        "last_error": "last_error", "last_connected_at": "last_connected_at", "main_version": "main_version",
        "created_at": "created_at", "updated_at": "updated_at", "deleted_at": "deleted_at",
    },
    ("credential",),
)  # fmt: skip
ACCOUNTS = Sheet(
    "accounts",
    ("instance", "name"),
    {
        "instance": "instance.name", "name": "name", "username": "username", "host": "host", "kind": "kind",
        "superuser": "superuser", "locked": "locked", "grant_admin": "grant_admin", "expires_at": "expires_at",
        "active": "active", "first_seen_at": "first_seen_at", "last_seen_at": "last_seen_at",
        "dropped_at": "dropped_at",
    },
    OF_INSTANCE,
)  # fmt: skip
ACCOUNT_CHANGES = Sheet(
    "account-changes",
    ("-id",),
    {
        "id": "id", "at": "at", "instance": "instance.name", "name": "name", "kind": "kind",
        "summary": histories.summary, "session": "session_id",
    },
    OF_INSTANCE,
)  # fmt: skip
DATABASES = Sheet(
    "databases",
    ("instance", "name"),
    {
        "instance": "instance.name", "name": "name", "active": "active", "first_seen_at": "first_seen_at",
        "last_seen_at": "last_seen_at", "dropped_at": "dropped_at", "returned_at": "returned_at",
    },
    OF_INSTANCE,
)  # fmt: skip
NEWEST = ("-date", "-instance", "-id")
DATABASE_SIZES = Sheet(
    "sizes",
    NEWEST,
    {
        "date": "date", "instance": "instance.name", "database": "database", "total_bytes": "total_bytes",
        "data_bytes": "data_bytes", "index_bytes": "index_bytes", "reason": "reason", "collected_at": "collected_at",
    },
    OF_INSTANCE,
)  # fmt: skip
INSTANCE_SIZES = Sheet(
    "instance-sizes",
    NEWEST,
    {
        "date": "date", "instance": "instance.name", "total_bytes": "total_bytes",
        "database_count": "database_count", "unknown_count": "unknown_count", "collected_at": "collected_at",
    },
    OF_INSTANCE,
)  # fmt: skip
LIMITS = Sheet(
    "size-limits",
    ("id",),
    {
        "id": "id", "instance": "instance.name", "database": "database", "limit_bytes": "limit_bytes",
        "used_bytes": "used_bytes", "growth_per_day_bytes": "growth_per_day_bytes", "full_on": "full_on",
        "computed_at": "computed_at",
    },
    OF_INSTANCE,
)  # fmt: skip
JUMPS = Sheet(
    "anomalies",
    NEWEST,
    {
        "id": "id", "date": "date", "instance": "instance.name", "database": "database",
        "before_date": "before_date", "before_bytes": "before_bytes", "after_bytes": "after_bytes",
        "daily_bytes": "daily_bytes", "usual_bytes": "usual_bytes", "tolerance_bytes": "tolerance_bytes",
        "found_at": "found_at",
    },
    OF_INSTANCE,
)  # fmt: skip
SESSIONS = Sheet(
    "sync-sessions",
    ("-started_at", "-id"),
    {
        "id": "id", "category": "category", "origin": "origin", "status": "status", "total": "total",
        "succeeded": "succeeded", "failed": "failed", "skipped": "skipped",
        "created_by": "created_by.username", "started_at": "started_at", "finished_at": "finished_at",
        "retry_of": "retry_of_id", "execution": "execution_id",
    },
    ("created_by",),
)  # fmt: skip
STATEMENTS = Sheet(
    "statements",
    ("-id",),
    {
        "id": "id", "at": "at", "by": "by.username", "source": "source", "statement": "shortened",
        "writes": "writes", "database": "database", "instances": "instances", "outcome": "outcome",
        "errors": "errors", "rows": "rows", "changed": "changed", "duration_seconds": "duration_seconds",
        "execution": "execution_id",
    },
    ("by",),
)  # fmt: skip
BACKUPS = Sheet(
    "backups",
    ("-id",),
    {
        "id": "id", "instance": "instance.name", "database": "database", "file": "file",
        "size_bytes": "size_bytes", "sha256": "sha256", "started_at": "started_at", "finished_at": "finished_at",
        "restored_at": "restored_at", "removed_at": "removed_at", "execution": "execution_id",
    },
    OF_INSTANCE,
)  # fmt: skip
PERIODS = {
    name: name
    for name in (
        "period", "start", "end", "samples", "first_date", "last_date", "first_bytes", "last_bytes", "min_bytes",
        "max_bytes", "average_bytes", "change_bytes", "change_percent", "growth_per_day_bytes", "final",
        "computed_at",
    )
}  # fmt: skip
NEWEST_PERIOD = ("-start", "-instance", "-id")
DATABASE_AGGREGATES = Sheet(
    "aggregations",
    NEWEST_PERIOD,
    {"instance": "instance.name", "database": "database", **PERIODS},
    OF_INSTANCE,
)
INSTANCE_AGGREGATES = Sheet(
    "instance-aggregations",
    NEWEST_PERIOD,
    {
        "instance": "instance.name", "database_count": "database_count",
        "average_database_bytes": "average_database_bytes", **PERIODS,
    },
    OF_INSTANCE,
)  # fmt: skip
