"""The first page of the admin: what runs, what waits, what comes next, what failed, and who works."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from django_apscheduler.models import DjangoJob

from jobsite import live, zones
from jobsite.templatetags.jobsite import state_label
from scheduling import clock
from scheduling.alarm import alarm_of
from scheduling.models import NEVER, State, Task
from scheduling.models.execution import Reason, reason_text
from scheduling.sentences import in_words
from scheduling.services import health, nodes, stats
from scheduling.views.access import forbid, staff_only

#: Entries of each list; more are counted, and stand in the list that the number leads to.
RUNNING, WAITING, NEXT, FAILED = 30, 8, 10, 8
#: Counted no further.
MOST = 10_000
DAYS = 14
#: The order in which a day's outcomes are stacked.
STACK = (
    State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.LOST, State.MISSED, State.SKIPPED, State.CANCELLED,
)  # fmt: skip
FIELDS = (
    "id", "task_id", "task_key", "state", "reason", "detail", "scheduled_for", "available_at", "queued_at",
    "started_at", "finished_at", "attempt", "queue", "progress_done", "progress_total", "progress_text",
    "error_class", "overdue", "cancel_requested_at",
)  # fmt: skip

#: Reasons that leave nothing to be said; of the others the detail says more, such as the error.
SAYING_ALL = frozenset({
    Reason.OVERLAP, Reason.QUEUE_FULL, Reason.COALESCED, Reason.LATE, Reason.OVER_LIMIT, Reason.PAUSED, Reason.DELAY,
    Reason.TASK_DISABLED, Reason.TASK_DELETED, Reason.CANCEL_REQUESTED, Reason.NODE_DIED, Reason.TIMEOUT,
    Reason.REPLACED,
})  # fmt: skip

#: What decides, beside the language, which links the first part has.
SEEN_WITH = ("scheduling.view_node", "scheduling.add_task")

Row = dict[str, Any]
Tallies = Callable[[], list[stats.Counted]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds to the admin's first page what it shows; each part is also asked for by itself, again and again."""
    if not may_see(request):
        return context
    at = clock.refresh()
    # Both parts count from the same rows; neither reads them when it is known already.
    counted = cache(lambda: stats.read(stats.first_moment(DAYS, zones.current(), at)))
    now_html, now_cursor = _now_part(request, at, counted)
    days_html, days_cursor = _days_part(request, at, counted)
    return context | {
        "now_part": now_html,
        "now_cursor": now_cursor,
        "days_part": days_html,
        "days_cursor": days_cursor,
        "as_of": at,
    }


def may_see(request: HttpRequest) -> bool:
    return request.user.has_perms(("scheduling.view_task", "scheduling.view_execution"))


@require_GET
@staff_only()
def now(request: HttpRequest) -> HttpResponse:
    if not may_see(request):
        return forbid(request)
    return live.respond(request, *_now_part(request))


@require_GET
@staff_only()
def days(request: HttpRequest) -> HttpResponse:
    if not may_see(request):
        return forbid(request)
    return live.respond(request, *_days_part(request))


def _now_part(
    request: HttpRequest, at: datetime | None = None, counted: Tallies | None = None
) -> tuple[str, str]:
    return live.shared_part(
        request,
        "scheduling/parts/now.html",
        lambda: now_context(request, at or clock.refresh(), counted),
        *(request.user.has_perm(name) for name in SEEN_WITH),
    )


def _days_part(
    request: HttpRequest, at: datetime | None = None, counted: Tallies | None = None
) -> tuple[str, str]:
    template = "scheduling/parts/days.html"
    return live.shared_part(request, template, lambda: days_context(request, at or clock.refresh(), counted))


# --- now


def now_context(request: HttpRequest, now: datetime, counted: Tallies | None = None) -> dict[str, Any]:
    day_ago = now - timedelta(hours=24)
    wanted = [
        (State.RUNNING, RUNNING, False),
        (State.QUEUED, WAITING, False),
        (State.WAITING, WAITING, False),
        *((state, FAILED, True) for state in stats.FAILURES),
    ]
    rows: dict[str, list[Row]] = {state: [] for state in State}
    for row in sorted(stats.by_state(wanted, FIELDS), key=lambda row: row["id"]):
        rows[row["state"]].append(row)
    failed = [row for state in stats.FAILURES for row in rows[state] if row["finished_at"] >= day_ago]
    failed = sorted(failed, key=lambda row: (row["finished_at"], row["id"]), reverse=True)[:FAILED]
    inactive = rows[State.QUEUED] + rows[State.WAITING]
    full = len(rows[State.QUEUED]) == WAITING or len(rows[State.WAITING]) == WAITING
    coming = _coming()
    _name([*rows[State.RUNNING], *inactive, *failed, *coming])
    alive = node_rows(alarm_of(request, detailed=True), now)
    return {
        "running": _with_progress(rows[State.RUNNING], now),
        "running_number": max(len(rows[State.RUNNING]), sum(node["used"] for node in alive)),
        "inactive": _with_waiting(inactive[:WAITING], now),
        "inactive_number": stats.count_active(MOST) if full else len(inactive),
        "coming": [row for row in coming if row["name"]][:NEXT],
        "failed": _with_cause(failed),
        "outcomes": stats.since(day_ago, counted and counted()),
        "nodes": alive,
        "most": MOST,
        "may_see_nodes": request.user.has_perm("scheduling.view_node"),
        "may_add": request.user.has_perm("scheduling.add_task"),
        "has_tasks": bool(coming) or Task.objects.present().exists(),
    }


def _coming() -> list[Row]:
    """The next times, one step in an index; a few more than wanted, since others may keep jobs in that table too."""
    rows = DjangoJob.objects.filter(next_run_time__isnull=False).order_by("next_run_time")
    found = rows.values_list("id", "next_run_time")[: NEXT + 5]
    return [{"task_id": int(id), "at": at, "name": ""} for id, at in found if id.isdecimal()]


def _name(rows: list[Row]) -> None:
    """Gives each row its task's name, all in one query. A deleted task is known by the key it had."""
    ids = {row["task_id"] for row in rows}
    names = {
        pk: (name, key)
        for pk, name, key in Task.objects.present().filter(pk__in=ids).values_list("pk", "name", "key")
    }
    for row in rows:
        name, key = names.get(row["task_id"], ("", row.get("task_key", "")))
        row["name"], row["task_key"] = name or key, key


def _with_progress(rows: list[Row], now: datetime) -> list[Row]:
    """How far each run is, and when it ends: by its own word, else by how long the task took before."""
    expected = stats.expected({row["task_id"] for row in rows})
    for row in rows:
        usual = row["expected_ms"] = expected.get(row["task_id"])
        total, done = row["progress_total"], row["progress_done"]
        row["ends_at"] = stats.foreseen_end(row["started_at"], usual, done, total, now)
        row["late"] = not (done and total) and row["ends_at"] is not None and row["ends_at"] < now
        row["share"] = round(100 * min(done, total) / total) if total and done is not None else None
    return rows


def _why(row: Row) -> str:
    """The reason where it says all, else what is kept beside it."""
    said = reason_text(row["reason"])
    return said if row["reason"] in SAYING_ALL else in_words(row["detail"]) or said


def _with_waiting(rows: list[Row], now: datetime) -> list[Row]:
    """Until when each waits, where it waits for a time; and why."""
    for row in rows:
        row["until"] = row["available_at"] if now < row["available_at"] < NEVER else None
        row["why"] = _why(row)
    return rows


def _with_cause(rows: list[Row]) -> list[Row]:
    """What went wrong, in one line."""
    for row in rows:
        error, detail = row["error_class"], row["detail"]
        if error:
            row["cause"] = in_words(detail if detail.startswith(error) else f"{error}: {detail}")
        else:
            row["cause"] = _why(row)
    return rows


def node_rows(alarm: health.Alarm, now: datetime) -> list[Row]:
    """The live nodes, with the seats that are used; one whose beat is late is ``silent``."""
    seats = nodes.seats_of(alarm.nodes)
    return [
        {
            "node": node,
            "state": health.standing_of_node(node, now),
            "seats": seats[node.pk],
            "used": sum(each.used for each in seats[node.pk]),
        }
        for node in alarm.nodes
    ]


# --- days


def days_context(request: HttpRequest, now: datetime, counted: Tallies | None = None) -> dict[str, Any]:
    zone = zones.current()
    days = stats.by_day(DAYS, zone, now, counted and counted())
    used = [state for state in STACK if any(day.counts.get(state) for day in days)] or [State.SUCCEEDED]
    chart = {
        "days": [day.day.isoformat() for day in days],
        "states": [
            {
                "state": state,
                "label": state_label(state),
                "numbers": [day.counts.get(state, 0) for day in days],
            }
            for state in used
        ],
    }
    table = [
        {"day": day.day, "numbers": [day.counts.get(state, 0) for state in used], "figures": day}
        for day in reversed(days)
    ]
    return {"chart": chart, "states": used, "table": table, "zone": str(zone), "number": DAYS}
