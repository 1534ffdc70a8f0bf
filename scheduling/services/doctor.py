"""The promises, looked for in the rows of the live database. Each examination says what it looked at and what it found.

Bounded: along indexes, and over what is active or configured, never over the whole history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling import clock
from scheduling.models import Execution, Node, Pool, State, Task
from scheduling.services import dependencies, health, liverows, repair

#: Findings of one examination that are named; the rest are counted.
NAMED = 20
#: What should have moved on by itself has had this long.
PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Finding:
    """One examination. Healthy when nothing was found."""

    name: str
    promise: str  # P1 … P10, or empty
    looked_at: str
    found: list[str] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        return not self.found


def examine() -> list[Finding]:
    """All of them, one after the other. Raises the database's errors."""
    now = clock.refresh()
    return [
        Finding(name, promise, str(looked_at), _named(look(now)))
        for name, promise, looked_at, look in EXAMINATIONS
    ]


def _named(found: Iterator[str]) -> list[str]:
    every = list(found)
    more = [_("and %d more") % (len(every) - NAMED)] if len(every) > NAMED else []
    return every[:NAMED] + more


def _occurrences(now: datetime) -> Iterator[str]:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Execution._meta.db_table)
    wanted = ["task_id", "scheduled_for", "slot"]
    if not any(each["unique"] and each["columns"] == wanted for each in constraints.values()):
        yield _("the unique constraint over task, scheduled_for and slot is missing")


def _owners(now: datetime) -> Iterator[str]:
    rows = Execution.objects.filter(state=State.RUNNING).exclude(node__state__in=Node.LIVE)
    for id, key, node in rows.order_by("id").values_list("id", "task_key", "node_id")[: NAMED + 1]:
        yield _("#%(id)d (%(key)s) is running on %(node)s, which does not live") % {
            "id": id, "key": key, "node": node,
        }  # fmt: skip


def _silent_nodes(now: datetime) -> Iterator[str]:
    if not health.beating(now):
        yield _("no scheduler is running")
    for node in Node.objects.filter(state__in=Node.LIVE):
        late = (now - node.heartbeat_at).total_seconds()
        if late > node.lease_seconds + 5 and health.beating(now):
            yield _("node %(node)s has been silent for %(seconds).0f s and is not declared dead") % {
                "node": node, "seconds": late,
            }  # fmt: skip


def _due(now: datetime) -> Iterator[str]:
    earliest = liverows.earliest(repair.strangers())
    if earliest is not None and now - earliest > PATIENCE:
        yield _("something has been due since %s and was not admitted") % earliest


def _live_rows(now: datetime) -> Iterator[str]:
    for kind, ids in repair.differences().items():
        if kind == "still":  # a schedule that has ended looks the same
            continue
        for id in sorted(ids)[: NAMED + 1]:
            yield _("task %(id)d: its live row is %(kind)s") % {"id": id, "kind": kind}


def _stuck(now: datetime) -> Iterator[str]:
    waiting = Execution.objects.filter(state=State.WAITING, available_at__lt=now - PATIENCE)
    busy = Execution.objects.filter(state__in=(State.QUEUED, State.RUNNING))
    for row in waiting.order_by("available_at")[: NAMED + 1]:
        # What waits for another run of its task may wait long; without one it should have gone on.
        if not busy.filter(task_id=row.task_id).values_list("id")[:1]:
            yield _("#%(id)d (%(key)s) waits (%(reason)s) and nothing of its task is active") % {
                "id": row.pk, "key": row.task_key, "reason": row.reason,
            }  # fmt: skip


def _overdue(now: datetime) -> Iterator[str]:
    rows = Execution.objects.filter(state=State.RUNNING, deadline_at__lt=now - PATIENCE)
    for id, key, deadline in rows.order_by("id").values_list("id", "task_key", "deadline_at")[: NAMED + 1]:
        yield _("#%(id)d (%(key)s) should have ended at %(at)s: a thread that does not look cannot be ended") % {
            "id": id, "key": key, "at": deadline,
        }  # fmt: skip


def _pools(now: datetime) -> Iterator[str]:
    rows = Execution.objects.filter(state=State.RUNNING, pool_id__gt=0).order_by()
    used = dict(rows.values_list("pool_id").annotate(weight=Sum("weight")))
    for pool in Pool.objects.filter(pk__in=used):
        if used[pool.pk] > pool.capacity:
            yield _("pool %(pool)s: %(used)d of %(capacity)d seats are taken") % {
                "pool": pool.key, "used": used[pool.pk], "capacity": pool.capacity,
            }  # fmt: skip


def _tasks(now: datetime) -> Iterator[str]:
    rows = Execution.objects.filter(Q(state=State.QUEUED) | Q(state=State.RUNNING)).order_by()
    counts = dict(rows.values_list("task_id").annotate(number=Count("id")))
    tasks = Task.objects.filter(pk__in=counts, max_concurrent__gt=0).values_list(
        "pk", "key", "max_concurrent"
    )
    for id, key, most in tasks:
        if counts[id] > most:
            yield _("task %(key)s: %(number)d are active, %(most)d are allowed (runs that were forced count)") % {
                "key": key, "number": counts[id], "most": most,
            }  # fmt: skip


def _functions(now: datetime) -> Iterator[str]:
    for broken in health.broken(health.beating(now)):
        yield str(broken)
    errors = Task.objects.present().exclude(schedule_error="").order_by("key")
    for key, error in errors.values_list("key", "schedule_error")[: NAMED + 1]:
        yield _("task %(key)s: %(error)s") % {"key": key, "error": error}


def _circles(now: datetime) -> Iterator[str]:
    graph = dependencies.graph()
    for task_id, after in graph.items():
        if any(task_id in dependencies.ancestors(upstream, graph) for upstream in after):
            yield _("task %s runs after itself") % dependencies.keys([task_id])[0]


def _journals(now: datetime) -> Iterator[str]:
    folder = Path(settings.VAR_DIR) / "journal"
    for path in sorted(folder.glob("*.unreadable")):
        yield _("results in %s could not be read") % path
    if health.beating(now):
        for path in sorted(folder.glob("*.json")):
            yield _("results in %s have not been played back: start a node on this machine") % path


Look = Callable[[datetime], Iterator[str]]
EXAMINATIONS: list[tuple[str, str, object, Look]] = [
    ("occurrences", "P1", gettext_lazy("the unique constraint of executions"), _occurrences),
    ("owners", "P2", gettext_lazy("running executions and the state of their nodes"), _owners),
    ("due", "P3", gettext_lazy("the earliest next time"), _due),
    ("live_rows", "P3", gettext_lazy("tasks and their live rows"), _live_rows),
    ("waiting", "P3", gettext_lazy("waiting executions whose time has come"), _stuck),
    ("nodes", "P5", gettext_lazy("the beats of live nodes"), _silent_nodes),
    ("functions", "P6", gettext_lazy("functions that nodes have, and schedules that fail"), _functions),
    ("pools", "", gettext_lazy("weights of what runs, and pools"), _pools),
    ("concurrency", "", gettext_lazy("active executions of each task"), _tasks),
    ("deadlines", "", gettext_lazy("running executions past their deadline"), _overdue),
    ("dependencies", "", gettext_lazy("circles among tasks that run after others"), _circles),
    ("journals", "", gettext_lazy("results left in files on this machine"), _journals),
]
