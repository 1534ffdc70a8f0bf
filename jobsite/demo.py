"""Something to look at: tasks, two weeks of history and the sizes of a small fleet, made up, and removable.

Tasks are made by the services, so that they are real; their past is written as rows, for it never happened.
Nothing of it reaches beyond this database: the made-up instances are not active, so nobody connects to them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q

from instances.models import (
    Credential,
    DatabaseSize,
    DatabaseSizeAggregate,
    Instance,
    InstanceDatabase,
    InstanceSize,
    InstanceSizeAggregate,
    SizeAnomaly,
    SizeLimit,
)
from instances.services import (
    aggregation,
    anomalies,
    credentials,
    databases,
    instances,
    limits,
    periods,
    sizes,
)
from scheduling import clock
from scheduling.models import Execution, ExecutionLog, Group, Pool, Reason, State, Tally, Task
from scheduling.sentences import of_runs
from scheduling.services import groups, pools, tallies, tasks
from scheduling.services.actor import Actor

ACTOR = Actor(source="command", reason="manage.py demo")
#: What all made-up keys and names begin with.
PREFIX = "demo."
HISTORY = timedelta(days=14)
SIZE_DAYS = 120
#: Past runs of one task, at most: a task that runs each minute would fill the list alone.
MOST_RUNS = 400
BATCH = 500


class Sample(NamedTuple):
    """A made-up task: how it is scheduled, how long it takes (seconds), and how often it fails."""

    key: str
    name: str
    function: str
    parameters: dict[str, Any]
    expression: str
    category: str
    takes: float
    fails: float
    fields: dict[str, Any] = {}


SAMPLES = (
    Sample("backup-orders", "Back up the orders database", "count_up", {"steps": 40, "seconds": 0.5},
           "15 1 * * *", "maintenance", 1_260, 0.05, {"timeout_seconds": 7_200, "priority": 8}),
    Sample("backup-billing", "Back up the billing database", "count_up", {"steps": 20, "seconds": 0.5},
           "45 1 * * *", "maintenance", 840, 0.02, {"timeout_seconds": 7_200, "priority": 8}),
    Sample("check-replication", "Check the replication delay", "noop", {}, "*/5 * * * *", "monitoring", 0.4, 0.01),
    Sample("check-disk", "Check free space", "noop", {}, "*/10 * * * *", "monitoring", 0.2, 0.0),
    Sample("rotate-partitions", "Rotate the event partitions", "noop", {}, "30 0 1 * *", "maintenance", 45, 0.0),
    Sample("refresh-reports", "Refresh the reporting tables", "count_up", {"steps": 30, "seconds": 1},
           "0 * * * *", "processing", 190, 0.12, {"retries": 2, "overlap_policy": "queue_one"}),
    Sample("export-ledger", "Export the ledger", "fail", {"message": "The ledger of yesterday is not closed yet."},
           "0 6 * * mon-fri", "processing", 75, 0.35, {"retries": 1}),
    Sample("vacuum-analyze", "Vacuum and analyse", "noop", {}, "0 3 * * sun", "maintenance", 2_400, 0.0),
    Sample("sync-hr", "从人事系统同步账号", "noop", {}, "20 7 * * *", "sync", 22, 0.08),
    Sample("purge-sessions", "Purge expired sessions", "noop", {}, "*/30 * * * *", "maintenance", 3.1, 0.02),
)  # fmt: skip

FLEET = (
    ("demo.orders-primary", "mysql", "production", 310, 1.4, ("orders", "orders_archive", "catalog")),
    ("demo.billing", "postgresql", "production", 120, 0.5, ("billing", "ledger")),
    ("demo.reports", "postgresql", "staging", 640, 4.2, ("reports", "staging", "数据仓库")),
)  # name, dialect, environment, GiB at the beginning, GiB a day, databases
#: The disk of the first of them, in GiB, and a night on which the last of them took in a year of old reports.
DISK_GIB = 600
JUMP_DAY, JUMP_GIB = SIZE_DAYS - 12, 180


def build(seed: int = 1) -> dict[str, int]:
    """Makes what is missing; returns how many tasks, executions and sizes came. The same seed, the same past."""
    chance = random.Random(seed)  # noqa: S311  (a picture, no secret)
    now = clock.refresh()
    group = Group.objects.filter(key=f"{PREFIX}nightly").first() or groups.save(
        Group(key=f"{PREFIX}nightly", name="Nightly work"), actor=ACTOR
    )
    pool = Pool.objects.filter(key=f"{PREFIX}mysql").first() or pools.save(
        Pool(key=f"{PREFIX}mysql", name="MySQL primary", capacity=3), actor=ACTOR
    )
    made = [task for sample in SAMPLES if (task := _task(sample, group, pool))]
    samples = {PREFIX + sample.key: sample for sample in SAMPLES}
    past = [row for task in made for row in _past(task, samples[task.key], now, chance)]
    past.sort(key=lambda row: row.scheduled_for)  # lists show what was admitted last first
    Execution.objects.bulk_create(past, batch_size=BATCH)
    if past:
        _count_past(now)
    return {"tasks": len(made), "executions": len(past), "sizes": _fleet(now, chance)}


def remove() -> dict[str, int]:
    """Takes all of it away again, history included."""
    made = list(Task.objects.filter(Q(key__startswith=PREFIX)))
    for task in made:
        if task.deleted_at is None:
            tasks.delete(task.pk, actor=ACTOR)
    ids = [task.pk for task in made]
    ExecutionLog.objects.filter(execution__task_id__in=ids).delete()
    Tally.objects.all().delete()  # what is left is counted again by the scheduler
    removed = Execution.objects.filter(task_id__in=ids).exclude(state=State.RUNNING).delete()[0]
    fleet = list(Instance.objects.filter(name__startswith=PREFIX))
    removed_sizes = sum(
        model.objects.filter(instance__in=fleet).delete()[0] for model in (DatabaseSize, InstanceSize)
    )
    for derived in (DatabaseSizeAggregate, InstanceSizeAggregate, SizeAnomaly, SizeLimit, InstanceDatabase):
        derived.objects.filter(instance__in=fleet).delete()
    for instance in fleet:
        instances.delete(instance, actor=ACTOR)
    for holder in (Group.objects, Pool.objects):
        holder.filter(key__startswith=PREFIX, tasks__isnull=True).delete()
    return {"tasks": len(made), "executions": removed, "sizes": removed_sizes}


def _task(sample: Sample, group: Group, pool: Pool) -> Task | None:
    """The task, if it was not there yet."""
    if Task.objects.filter(key=PREFIX + sample.key).exists():
        return None
    return tasks.create(
        Task(
            key=PREFIX + sample.key, name=sample.name, function=sample.function, parameters=sample.parameters,
            trigger="cron", trigger_params={"expression": sample.expression}, category=sample.category,
            group=group if sample.category == "maintenance" else None,
            pool=pool if sample.key.startswith("backup") else None,
            description="Made up by manage.py demo.", **sample.fields,
        ),
        actor=ACTOR,
    )  # fmt: skip


def _past(task: Task, sample: Sample, now: datetime, chance: random.Random) -> list[Execution]:
    """What would have happened since HISTORY ago."""
    times = task.build_trigger().between(now - HISTORY, now, 100_000)[-MOST_RUNS:]
    return [_row(task, sample, at, chance) for at in times]


def _count_past(now: datetime) -> None:
    """Charts read tallies, and those of the past were counted before it was made up."""
    quarter = tallies.quarter_of(now - HISTORY)
    while quarter <= now:
        tallies.count(quarter, now)
        quarter += tallies.QUARTER


def _row(task: Task, sample: Sample, at: datetime, chance: random.Random) -> Execution:
    late = timedelta(milliseconds=chance.uniform(20, 240))
    took = sample.takes * chance.lognormvariate(0, 0.18)
    row = Execution(
        task=task, task_key=task.key, task_version=task.version, function=task.function, scheduled_for=at,
        origin="schedule", state=State.SUCCEEDED, queue=task.queue, rank=9 - task.priority,
        pool_id=task.pool_id or 0, available_at=at, queued_at=at + late, attempt=1, parameters=task.parameters,
    )  # fmt: skip
    luck = chance.random()
    if luck < sample.fails:
        row.state, row.reason = State.FAILED, Reason.EXCEPTION
        row.error_class, row.message = "LedgerOpen", "The ledger of yesterday is not closed yet."
        row.detail = row.message
        row.traceback = (
            "Traceback (most recent call last):\n"
            '  File "reports/tasks.py", line 41, in export_ledger\n'
            '    raise LedgerOpen("The ledger of yesterday is not closed yet.")\n'
            "reports.errors.LedgerOpen: The ledger of yesterday is not closed yet."
        )
        took *= 0.3
    elif luck > 0.995:
        row.state, row.reason, row.detail = State.TIMED_OUT, Reason.TIMEOUT, of_runs.OVER_TIME()
        took *= 4
    elif luck > 0.985:
        row.state, row.reason, row.attempt = State.SKIPPED, Reason.OVERLAP, 0
        row.detail, row.finished_at = of_runs.SKIPPED(), at + late
        return row
    row.started_at = row.queued_at + timedelta(milliseconds=chance.uniform(5, 60))
    row.finished_at = row.started_at + timedelta(seconds=took)
    row.run_ms = round(took * 1_000)
    return row


def _fleet(now: datetime, chance: random.Random) -> int:
    """Writes the fleet's sizes, with a gap as real collections have; returns how many rows."""
    count = 0
    for name, dialect, environment, start, growth, names in FLEET:
        if Instance.objects.filter(name=name).exists():
            continue
        instance = _instance(name, dialect, environment)
        days: list[DatabaseSize] = []
        totals = []
        for day, (at, gib) in enumerate(_days(now, start, growth, chance)):
            if 60 < day < 66:
                continue  # nobody collected
            shares = _shares(gib + (JUMP_GIB if name == FLEET[-1][0] and day >= JUMP_DAY else 0), names)
            total = sum(size for _database, size in shares)
            of_day: dict[str, Any] = {"instance": instance, "date": sizes.day_of(at), "collected_at": at}
            totals.append(InstanceSize(total_bytes=total, database_count=len(shares), **of_day))
            days += [
                DatabaseSize(
                    database=database, total_bytes=size, data_bytes=size * 3 // 4,
                    index_bytes=size - size * 3 // 4, **of_day,
                )
                for database, size in shares
            ]  # fmt: skip
        InstanceSize.objects.bulk_create(totals, batch_size=BATCH)
        DatabaseSize.objects.bulk_create(days, batch_size=BATCH)
        count += len(totals) + len(days)
        _conclude(instance, names, now)
    return count


def _conclude(instance: Instance, names: tuple[str, ...], now: datetime) -> None:
    """What the nightly tasks would have written down."""
    today = sizes.day_of(now)
    databases.note(instance, names, whole=True, now=now)
    aggregation.compute(instance, periods.due(today), now=now)
    for back in range(SIZE_DAYS, -1, -anomalies.RECENT_DAYS):
        anomalies.detect(instance, today - timedelta(days=back), now=now)
    if instance.name == FLEET[0][0]:
        limits.save(SizeLimit(instance=instance, limit_bytes=DISK_GIB * 2**30), actor=ACTOR)


def _days(
    now: datetime, start: float, growth: float, chance: random.Random
) -> Iterator[tuple[datetime, float]]:
    gib = float(start)
    for back in range(SIZE_DAYS - 1, -1, -1):
        gib += growth * chance.uniform(0.2, 1.8)
        yield now - timedelta(days=back), gib


def _shares(gib: float, names: tuple[str, ...]) -> list[tuple[str, int]]:
    """The bytes of each database: the first is the largest."""
    weights = [1 / (place + 1) for place in range(len(names))]
    return [
        (name, int(gib * 2**30 * weight / sum(weights))) for name, weight in zip(names, weights, strict=True)
    ]


def _instance(name: str, dialect: str, environment: str) -> Instance:
    host = f"{name.removeprefix(PREFIX)}.example.com"
    credential = Credential.objects.filter(name=f"{PREFIX}collector").first() or credentials.create(
        Credential(name=f"{PREFIX}collector", username="jobsite", active=False), password="", actor=ACTOR
    )
    instance = Instance(
        name=name, dialect=dialect, environment=environment, host=host, credential=credential, active=False,
        description="Made up by manage.py demo; nobody connects to it.",
    )  # fmt: skip
    return instances.create(instance, actor=ACTOR)
