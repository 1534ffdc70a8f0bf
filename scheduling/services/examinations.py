"""What the doctor looks at: for each promise the rows that would break it, looked for in the live database.

Bounded: along indexes, and over what is active or configured, never over the whole history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from django_apscheduler.models import DjangoJob

from jobsite.checks import database_is_new_enough
from scheduling import clock
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Execution, Node, Pool, State, Task
from scheduling.models.execution import reason_text
from scheduling.sentences import of_promises
from scheduling.services import dependencies, health, liverows, repair

#: Rows that one examination names; the rest are counted.
NAMED = 20
#: What should have moved on by itself has had this long.
PATIENCE = timedelta(seconds=60)
#: Schedules that are computed once more: those that come next.
COMPUTED = 100


class Broken(NamedTuple):
    """What breaks a promise, in English, and the row that does: an ``execution``, ``task``, ``pool`` or ``node``."""

    text: str
    kind: str = ""
    id: int | str = ""


def _time(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else "-"


def _occurrences(now: datetime) -> Iterator[Broken]:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Execution._meta.db_table)
    wanted = ["task_id", "scheduled_for", "slot"]
    if not any(each["unique"] and each["columns"] == wanted for each in constraints.values()):
        yield Broken(of_promises.NO_CONSTRAINT())


def _owners(now: datetime) -> Iterator[Broken]:
    rows = Execution.objects.filter(state=State.RUNNING).exclude(node__state__in=Node.LIVE)
    for id, key, node in rows.order_by("id").values_list("id", "task_key", "node_id")[: NAMED + 1]:
        yield Broken(of_promises.NO_OWNER(id=id, key=key, node=node), "execution", id)


def _silent_nodes(now: datetime) -> Iterator[Broken]:
    if not health.beating(now):
        yield Broken(of_promises.NO_SCHEDULER())
    for node in Node.objects.filter(state__in=Node.LIVE):
        late = (now - node.heartbeat_at).total_seconds()
        if late > node.lease_seconds + 5 and health.beating(now):
            text = of_promises.NODE_SILENT(node=node, seconds=round(late))
            yield Broken(text, "node", str(node.pk))


def _due(now: datetime) -> Iterator[Broken]:
    earliest = liverows.earliest(repair.strangers())
    if earliest is not None and now - earliest > PATIENCE:
        yield Broken(of_promises.NOT_ADMITTED(at=_time(earliest)))


def _live_rows(now: datetime) -> Iterator[Broken]:
    for kind, ids in repair.differences().items():
        if kind == "still":  # a schedule that has ended looks the same
            continue
        for id in sorted(ids)[: NAMED + 1]:
            yield Broken(of_promises.LIVE_ROW(id=id, kind=kind), "task", id)


def _stuck(now: datetime) -> Iterator[Broken]:
    waiting = Execution.objects.filter(state=State.WAITING, wakes_at__lt=now - PATIENCE)
    busy = Execution.objects.active().filter(state__in=(State.QUEUED, State.RUNNING))
    for row in waiting.order_by("wakes_at")[: NAMED + 1]:
        # What waits for another run of its task may wait long; without one it should have gone on.
        if not busy.filter(task_id=row.task_id).values_list("id")[:1]:
            with override("en"):
                reason = reason_text(row.reason)
            text = of_promises.STUCK(id=row.pk, key=row.task_key, reason=reason)
            yield Broken(text, "execution", row.pk)


def _overdue(now: datetime) -> Iterator[Broken]:
    rows = Execution.objects.filter(state=State.RUNNING, deadline_at__lt=now - PATIENCE)
    for id, key, deadline in rows.order_by("id").values_list("id", "task_key", "deadline_at")[: NAMED + 1]:
        yield Broken(of_promises.OVERDUE(id=id, key=key, at=_time(deadline)), "execution", id)


def _pools(now: datetime) -> Iterator[Broken]:
    rows = Execution.objects.filter(state=State.RUNNING, pool_id__gt=0).order_by()
    used = dict(rows.values_list("pool_id").annotate(weight=Sum("weight")))
    for pool in Pool.objects.filter(pk__in=used):
        if used[pool.pk] > pool.capacity:
            text = of_promises.POOL_TOO_FULL(key=pool.key, number=used[pool.pk], most=pool.capacity)
            yield Broken(text, "pool", pool.pk)


def _tasks(now: datetime) -> Iterator[Broken]:
    rows = Execution.objects.filter(Q(state=State.QUEUED) | Q(state=State.RUNNING)).order_by()
    counts = dict(rows.values_list("task_id").annotate(number=Count("id")))
    tasks = Task.objects.filter(pk__in=counts, max_concurrent__gt=0).values_list(
        "pk", "key", "max_concurrent"
    )
    for id, key, most in tasks:
        if counts[id] > most:
            yield Broken(of_promises.TASK_TOO_BUSY(key=key, number=counts[id], most=most), "task", id)


def _functions(now: datetime) -> Iterator[Broken]:
    for broken in health.broken(health.beating(now)):
        yield Broken(str(broken), "task", broken.task_id)
    errors = Task.objects.present().exclude(schedule_error="").order_by("key")
    for id, key, error in errors.values_list("pk", "key", "schedule_error")[: NAMED + 1]:
        yield Broken(of_promises.SCHEDULE_FAILS(key=key, cause=error), "task", id)


def _schedules(now: datetime) -> Iterator[Broken]:
    coming = DjangoJob.objects.filter(next_run_time__gt=now).order_by("next_run_time")
    rows = {int(id): at for id, at in coming.values_list("pk", "next_run_time")[:COMPUTED] if id.isdecimal()}
    # Only now: of what lies ahead of this moment too, no tick has moved anything since it was read.
    now = clock.refresh()
    tasks = Task.objects.present().select_related("group", "calendar").filter(pk__in=rows, follows_end=False)
    versions = {}
    wrong = {}
    for task in tasks:
        at = rows[task.pk]
        if at is None or at <= now:
            continue
        try:
            due = task.next_time(now)
        except InvalidTrigger as error:
            wrong[task.pk] = (task.key, at, str(error))
        else:
            if due != at:
                wrong[task.pk] = (task.key, at, _time(due))
        versions[task.pk] = task.version
    # What somebody has edited in between is no fault.
    still = dict(Task.objects.filter(pk__in=wrong).values_list("pk", "version"))
    for id, (key, stored, computed) in sorted(wrong.items()):
        if still.get(id) == versions.get(id) and liverows.next_time(id) == stored:
            text = of_promises.WRONG_TIME(key=key, at=_time(stored), due=computed)
            yield Broken(text, "task", id)


def _indexes(now: datetime) -> Iterator[Broken]:
    for model in (Execution, Task, Node):
        with connection.cursor() as cursor:
            there = connection.introspection.get_constraints(cursor, model._meta.db_table)
        for index in model._meta.indexes:
            if index.name not in there:
                yield Broken(of_promises.NO_INDEX(index=index.name, table=model._meta.db_table))


def _database(now: datetime) -> Iterator[Broken]:
    for message in database_is_new_enough(databases=["default"]):
        yield Broken(message.msg)


def _circles(now: datetime) -> Iterator[Broken]:
    graph = dependencies.graph()
    for task_id, after in graph.items():
        if any(task_id in dependencies.ancestors(upstream, graph) for upstream in after):
            yield Broken(of_promises.CIRCLE(key=dependencies.keys([task_id])[0]), "task", task_id)


def _journals(now: datetime) -> Iterator[Broken]:
    folder = Path(settings.VAR_DIR) / "journal"
    for path in sorted(folder.glob("*.unreadable")):
        yield Broken(of_promises.UNREADABLE(path=path))
    if health.beating(now):
        for path in sorted(folder.glob("*.json")):
            yield Broken(of_promises.NOT_PLAYED_BACK(path=path))


@dataclass(frozen=True, slots=True)
class Kind:
    """One examination: the promise that it belongs to (or none), what is looked at, and how."""

    promise: str
    looked_at: object
    look: Callable[[datetime], Iterator[Broken]]


KINDS: dict[str, Kind] = {
    "occurrences": Kind("P1", _("the unique constraint of executions"), _occurrences),
    "owners": Kind("P2", _("running executions and the state of their nodes"), _owners),
    "due": Kind("P3", _("the earliest next time"), _due),
    "live_rows": Kind("P3", _("tasks and their live rows"), _live_rows),
    "waiting": Kind("P3", _("waiting executions whose time has come"), _stuck),
    "nodes": Kind("P5", _("the beats of live nodes"), _silent_nodes),
    "functions": Kind("P6", _("functions that nodes have, and schedules that fail"), _functions),
    "schedules": Kind("P8", _("the next hundred times, each computed once more"), _schedules),
    "indexes": Kind("P9", _("the indexes that pages and claims need"), _indexes),
    "database": Kind("P10", _("the version of the database"), _database),
    "pools": Kind("", _("weights of what runs, and pools"), _pools),
    "concurrency": Kind("", _("active executions of each task"), _tasks),
    "deadlines": Kind("", _("running executions past their deadline"), _overdue),
    "dependencies": Kind("", _("circles among tasks that run after others"), _circles),
    "journals": Kind("", _("results left in files on this machine"), _journals),
}
