"""Two million daily sizes: a plain table gets partitions, queries look at their months only, old months are dropped.

    DATABASE_URL=postgres://… python benchmarks/partitions.py        an empty database (PostgreSQL or MariaDB)

Fills the database, and leaves it filled.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from instances.models import DatabaseSize
from instances.models.partitioned import MonthlyPartitions
from instances.services import partitions

TABLE = DatabaseSize._meta.db_table
INSTANCES, DATABASES, DAYS = 40, 140, 360
LAST = date(2026, 11, 30)
FIRST = LAST - timedelta(days=DAYS - 1)

FILL = {
    "postgresql": """
        INSERT INTO {table} (instance_id, database, date, total_bytes, reason, collected_at)
        SELECT i, 'db ' || d, date '{first}' + n, 1000000 + n * d, '',
               timestamptz '{first} 03:00+00' + n * interval '1 day'
        FROM generate_series(1, {instances}) i, generate_series(1, {databases}) d, generate_series(0, {days} - 1) n
    """,
    "mysql": """
        INSERT INTO {table} (instance_id, `database`, date, total_bytes, reason, collected_at)
        SELECT i.seq, CONCAT('db ', d.seq), DATE_ADD('{first}', INTERVAL n.seq DAY), 1000000 + n.seq * d.seq, '',
               DATE_ADD('{first} 03:00', INTERVAL n.seq DAY)
        FROM seq_1_to_{instances} i, seq_1_to_{databases} d, seq_0_to_{last} n
        WHERE i.seq = {one}
    """,
}


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"  {what}: {time.monotonic() - began:.2f} s", flush=True)


def main() -> None:
    call_command("migrate", verbosity=0)
    print(f"{connection.vendor}: {INSTANCES * DATABASES * DAYS:,} rows over {DAYS} days")
    plain()
    with timed("filled the plain table"):
        fill()
    before = fingerprint()
    with timed("upgraded it"):
        report = partitions.upgrade(today=LAST, ahead=3)
    assert fingerprint() == before, "rows were lost or changed"
    print(
        f"  {report.rows:,} rows in {len(partitions.status(today=LAST)[0]['partitions'])} partitions, none lost"
    )
    rows = DatabaseSize.objects.filter(instance=7, date__range=("2026-06-01", "2026-06-30")).order_by("date")
    with timed("one month of one instance"):
        assert len(list(rows.values_list("total_bytes"))) == DATABASES * 30
    print("  partitions it looked at:", ", ".join(looked_at(rows)))
    with timed("health"):
        assert partitions.check(today=LAST, ahead=3).state == partitions.HEALTHY
    with timed("dropped what is older than 6 months"):
        report = partitions.cleanup(today=LAST, keep_months=6)
    print(f"  {len(report.dropped)} partitions dropped: {report.rows:,} rows, {report.freed_bytes:,} bytes")


def plain() -> None:
    own = DatabaseSize._meta.constraints
    DatabaseSize._meta.constraints = [one for one in own if not isinstance(one, MonthlyPartitions)]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")
    with connection.schema_editor() as editor:
        editor.create_model(DatabaseSize)
    DatabaseSize._meta.constraints = own


def fill() -> None:
    values = {
        "table": TABLE,
        "first": FIRST,
        "instances": INSTANCES,
        "databases": DATABASES,
        "days": DAYS,
        "last": DAYS - 1,
    }
    with connection.cursor() as cursor:
        for one in range(1, INSTANCES + 1) if connection.vendor == "mysql" else (0,):
            cursor.execute(FILL[connection.vendor].format(one=one, **values))


def fingerprint() -> tuple[object, ...]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*), MIN(id), MAX(id), SUM(total_bytes), MIN(date), MAX(date) FROM {TABLE}"
        )
        return tuple(cursor.fetchone())


def looked_at(rows: object) -> list[str]:
    statement, values = rows.query.sql_with_params()
    word = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN PARTITIONS"
    with connection.cursor() as cursor:
        cursor.execute(f"{word} {statement}", values)
        plan = str(cursor.fetchall())
    names = [one["name"] for one in partitions.status(today=LAST)[0]["partitions"]]
    return [name for name in names if name in plan]


if __name__ == "__main__":
    main()
