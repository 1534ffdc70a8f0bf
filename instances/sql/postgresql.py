"""Declared range partitions of PostgreSQL, each a table of its own, and a default one for what fits nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import ClassVar

from instances.sql.base import Partition, Partitions, default_name, month_after, partition_name

KIND = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"

LISTED = """
SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid),
       CASE pg_relation_size(c.oid) WHEN 0 THEN 0 ELSE c.reltuples::bigint END, pg_total_relation_size(c.oid)
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%s)
ORDER BY c.relname
"""
BOUNDS = re.compile(r"FOR VALUES FROM \((?:'([\d-]+)'|MINVALUE)\) TO \((?:'([\d-]+)'|MAXVALUE)\)")

#: What a plain table has that its successor must have, as statements; its primary key gets the partition's column.
INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i
WHERE i.indrelid = to_regclass(%s) AND NOT i.indisprimary
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""
CONSTRAINTS = """
SELECT c.conname::text, pg_get_constraintdef(c.oid) FROM pg_constraint c
WHERE c.conrelid = to_regclass(%s) AND c.contype IN ('u', 'c')
"""
GRANTS = """
SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
       a.is_grantable
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass(%s) AND a.grantee <> c.relowner
"""

#: Who shall own what is made for the table: its owner, when that is somebody else who may make tables here.
OWNER = """
SELECT quote_ident(r.rolname) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
WHERE c.oid = to_regclass(%s) AND r.rolname <> current_user
  AND has_schema_privilege(r.oid, c.relnamespace, 'CREATE')
"""

#: PostgreSQL asks for the right on a partition of whoever names it, not of whoever reads it by its table.
MAY_READ = "SELECT has_table_privilege(to_regclass(%s), 'SELECT'), pg_relation_size(to_regclass(%s))"

#: The schema in which this user may make no table, and the table and its partitions as far as it does not own them.
NOT_MINE = """
SELECT quote_ident(n.nspname), NULL FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%s) AND NOT has_schema_privilege(n.oid, 'CREATE')
UNION ALL
SELECT NULL, c.oid::regclass::text FROM pg_class c
WHERE (c.oid = to_regclass(%s) OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(%s)))
  AND NOT pg_has_role(c.relowner, 'USAGE')
ORDER BY 1 NULLS LAST, 2
"""
REFUSED = "42501"

#: Whoever waits for our lock makes everybody behind wait as well: give up early, and come again.
PATIENCE = "SET LOCAL lock_timeout = '5s'"


class PostgreSQLPartitions(Partitions):
    supported: ClassVar[bool] = True

    def is_partitioned(self, table: str) -> bool:
        found = self.rows(KIND, [self.name(table)])
        return bool(found and found[0][0])

    def listed(self, table: str) -> list[Partition]:
        found = [self._partition(table, *row) for row in self.rows(LISTED, [self.name(table)])]
        return sorted(found, key=lambda one: (one.is_default, one.start or date.min))

    def _partition(self, table: str, name: str, bound: str, rows: int, size: int) -> Partition:
        if rows < 0:  # never analysed
            rows = self.count(table, name)
        bounds = BOUNDS.match(bound)
        start, end = (
            (date.fromisoformat(day) if day else None for day in bounds.groups()) if bounds else (None, None)
        )
        return Partition(name, start, end, rows, size)

    def upgrade(self, table: str, column: str, months: Sequence[date]) -> None:
        """One transaction of the caller's; other writers of the table wait for its end."""
        old, new, key = self.name(f"{table}_plain"), self.name(table), self.name(column)
        self.rows(f"LOCK TABLE {new} IN ACCESS EXCLUSIVE MODE")
        indexes = [row[0] for row in self.rows(INDEXES, [new])]
        constraints = self.rows(CONSTRAINTS, [new])
        grants = self.rows(GRANTS, [new])
        owner = self.rows(OWNER, [new])
        self.rows(f"ALTER TABLE {new} RENAME TO {old}")
        self.rows(
            f"CREATE TABLE {new} (LIKE {old} INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING COMMENTS)"
            f" PARTITION BY RANGE ({key})"
        )
        self.rows(f"CREATE TABLE {self.name(default_name(table))} PARTITION OF {new} DEFAULT")
        for month in months:
            self._attach_new(table, month)
        self.rows(f"INSERT INTO {new} OVERRIDING SYSTEM VALUE SELECT * FROM {old}")
        self.rows(
            "SELECT setval(pg_get_serial_sequence(%s, 'id'), GREATEST((SELECT max(id) FROM " + new + "), 1),"
            " EXISTS (SELECT 1 FROM " + new + "))",
            [new],
        )
        self.rows(f"DROP TABLE {old}")
        self.rows(f"ALTER TABLE {new} ADD CONSTRAINT {self.name(f'{table}_pkey')} PRIMARY KEY (id, {key})")
        for name, definition in constraints:
            self.rows(f"ALTER TABLE {new} ADD CONSTRAINT {self.name(name)} {definition}")
        for definition in indexes:
            self.rows(definition)
        for part in [table, *(one.name for one in self.listed(table))] if owner else ():
            self.rows(f"ALTER TABLE {self.name(part)} OWNER TO {owner[0][0]}")
        for right, who, grantable in grants:
            self.rows(f"GRANT {right} ON {new} TO {who}{' WITH GRANT OPTION' if grantable else ''}")

    def _attach_new(self, table: str, month: date) -> None:
        """An empty partition, while nothing else can have rows of its month."""
        name = self.name(partition_name(table, month))
        self.rows(f"CREATE TABLE {name} PARTITION OF {self.name(table)} {_values(month)}")

    def create(self, table: str, column: str, months: Sequence[date]) -> list[str]:
        self.rows(PATIENCE)
        covered = {one.start for one in self.listed(table)}
        owner = self.rows(OWNER, [self.name(table)])
        created = []
        for month in months:
            if month in covered:
                continue
            name, parent, default = (
                partition_name(table, month),
                self.name(table),
                self.name(default_name(table)),
            )
            own, key = self.name(name), self.name(column)
            self.rows(f"CREATE TABLE {own} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            # PostgreSQL makes no partition for rows that the default one holds.
            self.rows(
                f"WITH moved AS (DELETE FROM {default} WHERE {key} >= '{month}' AND {key} < '{month_after(month)}'"
                f" RETURNING *) INSERT INTO {own} SELECT * FROM moved"
            )
            self.rows(f"ALTER TABLE {parent} ATTACH PARTITION {own} {_values(month)}")
            if owner:
                self.rows(f"ALTER TABLE {own} OWNER TO {owner[0][0]}")
            created.append(name)
        return created

    def drop(self, table: str, name: str) -> None:
        self.rows(PATIENCE)
        self.rows(f"DROP TABLE {self.name(name)}")

    def count(self, table: str, name: str) -> int:
        source, values = self._source(table, name)
        return int(self.rows(f"SELECT count(*) FROM {source}", values)[0][0])

    def months_in_default(self, table: str, column: str) -> list[date]:
        source, values = self._source(table, default_name(table))
        statement = f"SELECT DISTINCT date_trunc('month', {self.name(column)})::date FROM {source}"
        return sorted(month for (month,) in self.rows(statement, values))

    def _source(self, table: str, name: str) -> tuple[str, list[str]]:
        """The partition after FROM; where only its table may be read, by that one."""
        own = self.name(name)
        ((may_read, size),) = self.rows(MAY_READ, [own, own])
        if may_read:
            return own, []
        if not size:
            return f"{self.name(table)} WHERE false", []
        return f"{self.name(table)} WHERE tableoid = to_regclass(%s)", [own]

    def is_refusal(self, error: Exception) -> bool:
        return getattr(error.__cause__ or error, "pgcode", None) == REFUSED

    def missing_rights(self, table: str) -> list[str]:
        name = self.name(table)
        ((user,),) = self.rows("SELECT quote_ident(current_user)")
        return [
            f"GRANT CREATE ON SCHEMA {schema} TO {user};"
            if schema
            else f"ALTER TABLE {part} OWNER TO {user};"
            for schema, part in self.rows(NOT_MINE, [name, name, name])
        ]


def _values(month: date) -> str:
    return f"FOR VALUES FROM ('{month}') TO ('{month_after(month)}')"
