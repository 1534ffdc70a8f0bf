"""Range partitions of MySQL and MariaDB. They lie one against the other: the first takes everything before its end, and
the last (default) everything from its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from instances.dialects import mysql_access, mysql_grants
from instances.dialects.grants import Grant
from instances.dialects.mysql import MY_GRANTS, MY_GRANTS_BY_ROLES, MY_ROLES, NO_ROLES, literal
from instances.sql.base import Partition, Partitions, default_name, month_after, partition_name

LISTED = """
SELECT PARTITION_NAME, PARTITION_DESCRIPTION, TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH
FROM information_schema.PARTITIONS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s AND PARTITION_NAME IS NOT NULL
ORDER BY PARTITION_ORDINAL_POSITION
"""

#: MySQL 8 keeps its statistics for a day.
FRESH_STATISTICS = "SET SESSION information_schema_stats_expiry = 0"


#: What it takes: the second to drop a partition. In this order in what is said to be missing.
NEEDED = ("ALTER", "DROP")

#: The database's, the table's, the column's, and a right on everything.
REFUSALS = {1044, 1142, 1143, 1227}


class MySQLPartitions(Partitions):
    supported: ClassVar[bool] = True

    def is_partitioned(self, table: str) -> bool:
        return bool(self.rows(LISTED, [table]))

    def listed(self, table: str) -> list[Partition]:
        if not self.connection.mysql_is_mariadb and self.connection.mysql_version >= (8,):
            self.rows(FRESH_STATISTICS)
        found: list[Partition] = []
        start: date | None = None
        for name, until, rows, size in self.rows(LISTED, [table]):
            end = None if until == "MAXVALUE" else date.fromisoformat(until.strip("'"))
            if name == default_name(table):
                start = None
            found.append(Partition(name, start, end, int(rows), int(size)))
            start = end
        return found

    def upgrade(self, table: str, column: str, months: Sequence[date]) -> None:
        """One statement, which the server does as a whole or not at all; writers of the table wait for its end."""
        key = self.name(column)
        parts = ", ".join(self._part(table, month) for month in months)
        self.rows(
            f"ALTER TABLE {self.name(table)} DROP PRIMARY KEY, ADD PRIMARY KEY (id, {key})"
            f" PARTITION BY RANGE COLUMNS ({key}) ({parts}, {self._default(table)})"
        )

    def create(self, table: str, column: str, months: Sequence[date]) -> list[str]:
        """Also the months between the last one there is and the first that is asked for: there can be no gap."""
        ends = [one.end for one in self.listed(table) if one.end]
        month = max(ends) if ends else min(months)
        new = []
        while month <= max(months):
            new.append(month)
            month = month_after(month)
        if new:
            parts = ", ".join(self._part(table, month) for month in new)
            default = self.name(default_name(table))
            self.rows(
                f"ALTER TABLE {self.name(table)} REORGANIZE PARTITION {default} INTO ({parts}, {self._default(table)})"
            )
        return [partition_name(table, month) for month in new]

    def drop(self, table: str, name: str) -> None:
        self.rows(f"ALTER TABLE {self.name(table)} DROP PARTITION {self.name(name)}")

    def count(self, table: str, name: str) -> int:
        return int(self.rows(f"SELECT COUNT(*) FROM {self.name(table)} PARTITION ({self.name(name)})")[0][0])

    def months_in_default(self, table: str, column: str) -> list[date]:
        default, key = self.name(default_name(table)), self.name(column)
        statement = f"SELECT DISTINCT YEAR({key}), MONTH({key}) FROM {self.name(table)} PARTITION ({default})"
        return sorted(date(year, month, 1) for year, month in self.rows(statement))

    def is_refusal(self, error: Exception) -> bool:
        return bool(error.args) and error.args[0] in REFUSALS

    def missing_rights(self, table: str) -> list[str]:
        grants = self._my_grants()
        database = str(self.connection.settings_dict["NAME"])
        held = mysql_access.throughout(grants, database) | {
            grant.right for grant in grants if grant.category == "table" and grant.on == (database, table)
        }
        missing = [right for right in NEEDED if right not in held]
        if not missing or "ALL PRIVILEGES" in held:
            return []
        name, _at, host = str(self.rows("SELECT CURRENT_USER()")[0][0]).rpartition("@")
        where = f"{self.name(database)}.{self.name(table)}"
        return [f"GRANT {', '.join(missing)} ON {where} TO {literal(name)}@{literal(host)};"]

    def _my_grants(self) -> set[Grant]:
        """Its own, and those of the roles in force."""
        statement = MY_GRANTS
        if not self.connection.mysql_is_mariadb and self.connection.mysql_version >= (8,):
            ((roles,),) = self.rows(MY_ROLES)
            if roles != NO_ROLES:
                statement = MY_GRANTS_BY_ROLES.format(roles=roles)
        return mysql_grants.parse_all(str(row[0]) for row in self.rows(statement))

    def _part(self, table: str, month: date) -> str:
        return (
            f"PARTITION {self.name(partition_name(table, month))} VALUES LESS THAN ('{month_after(month)}')"
        )

    def _default(self, table: str) -> str:
        return f"PARTITION {self.name(default_name(table))} VALUES LESS THAN (MAXVALUE)"
