"""P9 for the instances: how long the pages and lists of sizes take with a thousand instances and twelve months of them.

    DATABASE_URL=… python benchmarks/growth.py [--instances 1000] [--fill]     a database whose name contains "bench"

``--fill`` first makes the rows: a total for each instance and day, the databases of the last two weeks (200 of one
instance, and of that one every day; 20 of each other), aggregates, jumps and limits. Each address is asked in this
process, as a superuser, after one round that warms up.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import contest
import pages

MONTHS, BATCH = 12, 2_000
DATABASES, MANY = 20, 200
GIB = 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=1_000)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="addresses whose name has this in it")
    options = parser.parse_args()
    contest.set_up()
    from django.db import connection

    if "bench" not in str(connection.settings_dict["NAME"]):
        sys.exit("Name a database to wipe whose name contains 'bench'.")
    if options.fill:
        fill(options.instances)
    client = pages.superuser()
    print(f"{connection.vendor}: ! marks more than {pages.MOST_MS} ms at p95 or {pages.MOST_QUERIES} queries")
    print(pages.HEAD)
    late = 0
    for name, address in addresses():
        if options.only in name:
            one = pages.measure(client, name, address, options.rounds)
            print(one.line(), flush=True)
            late += not one.is_fine
    sys.exit(bool(late))


def addresses() -> Iterator[tuple[str, str]]:
    from django.urls import reverse

    from instances.models import Instance, InstanceDatabase

    many = Instance.objects.get(name="bench 0000")
    database = InstanceDatabase.objects.filter(instance=many).order_by("pk")[0]
    fleet = reverse("admin:instances_fleet")
    yield "fleet", fleet
    for query in (
        "days=90",
        "days=365",
        "dialect=mysql",
        "environment=production&tag=team-1",
        "period=month",
    ):
        yield f"fleet {query}", f"{fleet}?{query}"
    for days in (30, 90, 365):
        yield (
            f"instance, 200 databases, {days} days",
            reverse("admin:instances_instance_change", args=[many.pk]) + f"?days={days}",
        )
    yield "database", reverse("admin:instances_instancedatabase_change", args=[database.pk]) + "?days=365"
    for name, query in (
        ("instance", ""), ("instance", "tags__id__exact=1&environment__exact=production"), ("instancedatabase", ""),
        ("instancedatabase", "tag=team-1"), ("databasesize", ""), ("databasesize", "tag=team-1&dialect=mysql"),
        ("instancesize", "environment=test"), ("databasesizeaggregate", "period__exact=week&tag=team-1"),
        ("sizeanomaly", ""), ("sizeanomaly", "dialect=mysql&tag=team-1"), ("sizelimit", ""),
    ):  # fmt: skip
        yield f"{name} {query}", reverse(f"admin:instances_{name}_changelist") + f"?{query}"
    api = "/api/v1/"
    for place in (
        "fleet/", "fleet/?days=365", "fleet/?tag=team-1", "fleet/growers/", f"instances/{many.pk}/growth/?days=365",
        f"instances/{many.pk}/forecast/?limit_bytes={10**15}", "anomalies/?dialect=mysql", "size-limits/",
        "sizes/?tag=team-1", "databases/?environment=production", "aggregations/?period=week&tag=team-1",
        "instances/?tag=team-1&environment=production&changed_since=2020-01-01T00:00:00Z",
    ):  # fmt: skip
        yield f"api {place}", api + place


def fill(count: int) -> None:
    """Everything anew; the same rows each time."""
    from instances import models
    from instances.services import partitions, periods, sizes
    from scheduling import clock

    chance = random.Random(1)  # the same each time
    now = clock.now()
    today = sizes.day_of(now)
    tables: list[Any] = [
        models.SizeLimit, models.SizeAnomaly, models.DatabaseSizeAggregate, models.InstanceDatabase,
        models.DatabaseSize, models.InstanceSize, models.Instance, models.Tag,
    ]  # fmt: skip
    for table in tables:
        table.objects.all().delete()
    tags = [models.Tag.objects.create(name=f"team-{number}") for number in range(10)]
    environments = models.Instance.Environment.values
    models.Instance.objects.bulk_create(
        models.Instance(
            name=f"bench {number:04}", dialect=("mysql", "postgresql")[number % 2], host=f"h{number}.example.com",
            environment=environments[number % 4], status="failed" if number % 50 == 3 else "ok", created_at=now,
            updated_at=now, last_connected_at=now,
        )
        for number in range(count)
    )  # fmt: skip
    fleet = list(models.Instance.objects.order_by("name"))
    through = models.Instance.tags.through
    through.objects.bulk_create(
        through(instance=one, tag=tags[number % 10]) for number, one in enumerate(fleet) if number % 3
    )
    days = [today - timedelta(days=back) for back in range(MONTHS * 365 // 12)][::-1]
    partitions.create_ahead(today=days[0], ahead=MONTHS + 3)
    size = {one.pk: chance.randrange(10, 2_000) * GIB for one in fleet}
    write(models.InstanceSize, totals(models, fleet, days, size, now, chance))
    write(models.DatabaseSize, of_databases(models, fleet, days, size, now))
    seen = {"first_seen_at": now, "last_seen_at": now}
    write(
        models.InstanceDatabase,
        (models.InstanceDatabase(instance=one, name=name, **seen) for one in fleet for name in names(one)),
    )
    week = periods.containing("week", today).previous()
    for span in (week, periods.containing("month", today).previous()):
        write(models.DatabaseSizeAggregate, aggregates(models, fleet, span, now, chance))
    write(models.SizeLimit, (
        models.SizeLimit(instance=one, limit_bytes=4_000 * GIB, used_bytes=size[one.pk], computed_at=now,
                         full_on=today + timedelta(days=chance.randrange(400)))
        for one in fleet[::2]
    ))  # fmt: skip
    write(models.SizeAnomaly, (
        models.SizeAnomaly(instance=chance.choice(fleet), database=f"db {number}",
                           date=(day := today - timedelta(days=number % 90)), before_date=day - timedelta(days=1),
                           before_bytes=GIB, after_bytes=9 * GIB, daily_bytes=8 * GIB, usual_bytes=0,
                           tolerance_bytes=GIB, found_at=now)
        for number in range(2 * count)
    ))  # fmt: skip


def names(instance: Any) -> list[str]:
    count = MANY if instance.name.endswith("0000") else DATABASES
    return [f"db {number}" for number in range(count)]


def write(model: Any, rows: Any) -> None:
    made, batch = 0, []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            model.objects.bulk_create(batch)
            made, batch = made + len(batch), []
    model.objects.bulk_create(batch)
    print(f"  {model._meta.verbose_name_plural}: {made + len(batch)}", flush=True)


def totals(
    models: Any, fleet: list[Any], days: list[date], size: dict[int, int], now: Any, chance: random.Random
) -> Iterator[Any]:
    """One in a hundred is missing, as in a real fleet."""
    for day in days:
        for one in fleet:
            size[one.pk] += chance.randrange(2**28)
            if chance.random() > 0.01:
                yield models.InstanceSize(
                    instance=one,
                    date=day,
                    total_bytes=size[one.pk],
                    database_count=DATABASES,
                    collected_at=now,
                )


def of_databases(
    models: Any, fleet: list[Any], days: list[date], size: dict[int, int], now: Any
) -> Iterator[Any]:
    """All days of the instance with many databases; of the others the last two weeks."""
    for one in fleet:
        mine = names(one)
        for day in days if len(mine) == MANY else days[-14:]:
            for name in mine:
                yield models.DatabaseSize(
                    instance=one,
                    database=name,
                    date=day,
                    total_bytes=size[one.pk] // len(mine),
                    collected_at=now,
                )


def aggregates(models: Any, fleet: list[Any], span: Any, now: Any, chance: random.Random) -> Iterator[Any]:
    for one in fleet:
        for name in names(one):
            same = dict.fromkeys(
                ("first_bytes", "last_bytes", "min_bytes", "max_bytes", "average_bytes"), GIB
            )
            yield models.DatabaseSizeAggregate(
                instance=one, database=name, period=span.period, start=span.start, end=span.end, samples=7,
                first_date=span.start, last_date=span.end, change_bytes=chance.randrange(-GIB, GIB), final=True,
                computed_at=now, **same,
            )  # fmt: skip


if __name__ == "__main__":
    main()
