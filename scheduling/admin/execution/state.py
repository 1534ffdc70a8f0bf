"""What lives on the page of an execution: where it stands, since when and why, and how long it may still take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from scheduling.admin.execution.columns import reason_words
from scheduling.masking import masked_text
from scheduling.models import ACTIVE, NEVER, Attempt, Execution, Reason, State, Task
from scheduling.sentences import in_words
from scheduling.services import explain, stats

#: Executions ahead of a waiting one that are named; attempts that are shown.
AHEAD, ATTEMPTS = 3, 50
#: A queued execution is expected to be taken within this.
PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of the line: what happened, when, and why."""

    name: str
    at: datetime | None
    why: str = ""
    kind: str = "done"  # done, now, next


def context(request: HttpRequest, execution: Execution, now: datetime) -> dict[str, Any]:
    """For templates/scheduling/execution/state.html. Absolute times only, so the same state reads the same."""
    user = request.user
    active = execution.state in ACTIVE
    ahead = _ahead(execution)
    attempts = list(Attempt.objects.filter(execution_id=execution.pk).order_by("-attempt")[:ATTEMPTS])
    return {
        "execution": execution,
        "steps": list(_steps(execution)),
        "reason": reason_words(execution.reason),
        "detail": "" if ahead else _detail(execution),
        "until": execution.available_at if now < execution.available_at < NEVER else None,
        "hint": _hint(execution, now) if active else "",
        "ahead": ahead,
        "progress": _progress(execution, now),
        "attempts": [
            (attempt, reason_words(attempt.reason), in_words(masked_text(attempt.message or attempt.detail)))
            for attempt in attempts
        ],
        "may_cancel": active
        and user.has_perm("scheduling.cancel_execution")
        and execution.cancel_requested_at is None,
        "may_run": user.has_perm("scheduling.run_task") and (not active or _is_retry(execution)),
        "is_retry": _is_retry(execution),
        "reruns": [] if active else _reruns(execution),
        "active": active,
    }


def _reruns(execution: Execution) -> list[Execution]:
    """Runs asked for in its place, newest first; only what has ended has any."""
    return list(Execution.objects.filter(rerun_of_id=execution.pk).order_by("-id").only("id", "state")[:10])


def _detail(execution: Execution) -> str:
    """The sentence of the row, where the page does not say the same elsewhere."""
    said_as_error = execution.error_class and execution.detail.startswith(execution.error_class)
    return "" if execution.state == State.QUEUED or said_as_error else in_words(masked_text(execution.detail))


def _is_retry(execution: Execution) -> bool:
    return (execution.state, execution.reason) == (State.WAITING, Reason.RETRY)


def _steps(execution: Execution) -> Any:
    state = execution.state
    yield Step(_("scheduled for"), execution.scheduled_for)
    if execution.covers_count:
        text = _("stands for %(number)d times, up to this one") % {"number": execution.covers_count}
        yield Step(_("covers until"), execution.covers_until, text)
    yield Step(_("admitted"), execution.admitted_at)
    if state == State.WAITING:
        if execution.reason == Reason.OVERLAP or execution.available_at >= NEVER:
            yield Step(_("waits"), None, reason_words(execution.reason), "now")
        else:
            yield Step(_("waits until"), execution.available_at, reason_words(execution.reason), "now")
        return
    if state not in (State.SKIPPED, State.MISSED) and (execution.started_at or state == State.QUEUED):
        why = in_words(execution.detail) if state == State.QUEUED else ""
        yield Step(
            pgettext("moment", "queued"), execution.queued_at, why, "now" if state == State.QUEUED else "done"
        )
    if execution.started_at and state != State.QUEUED:
        text = _("attempt %(number)d") % {"number": execution.attempt}
        yield Step(_("started"), execution.started_at, text, "now" if state == State.RUNNING else "done")
    if execution.cancel_requested_at and execution.started_at:
        yield Step(_("asked to end"), execution.cancel_requested_at)
    if state == State.RUNNING and execution.deadline_at:
        text = _("overdue: a thread cannot be stopped from outside") if execution.overdue else ""
        yield Step(_("must end by"), execution.deadline_at, text, "next")
    if execution.finished_at and state not in ACTIVE:
        yield Step(_("ended"), execution.finished_at, reason_words(execution.reason))


def _progress(execution: Execution, now: datetime) -> dict[str, Any] | None:
    """How far a run is: by its own word, else by how long the task took before. None: it does not run."""
    if execution.state != State.RUNNING or execution.started_at is None:
        return None
    usual = stats.expected([execution.task_id]).get(execution.task_id)
    total, done = execution.progress_total, execution.progress_done
    share = min(100 * done // total, 100) if total and done is not None else None
    ends_at = stats.foreseen_end(execution.started_at, usual, done, total, now)
    return {
        "share": share,
        "usual_ms": usual,
        "ends_at": ends_at if ends_at and ends_at > now else None,
        "late": usual is not None and share is None and ends_at is not None and ends_at < now,
        "done": done,
        "total": total,
        "text": execution.progress_text,
    }


def _ahead(execution: Execution) -> list[Execution]:
    """What a waiting execution waits for."""
    if (execution.state, execution.reason) != (State.WAITING, Reason.OVERLAP):
        return []
    rows = Execution.objects.active().filter(task_id=execution.task_id, id__lt=execution.pk)
    return list(rows.order_by("id").only("id", "state")[:AHEAD])


def _hint(execution: Execution, now: datetime) -> str:
    """Why it does not go on, where nothing in its row says so."""
    if execution.state == State.WAITING and execution.available_at == NEVER:
        return _("It goes on when the task is resumed.")
    if execution.state != State.QUEUED or now - execution.queued_at < PATIENCE:
        return ""
    if obstacles := explain.against_a_start(execution, now):
        return _("It cannot start: %(why)s") % {"why": obstacles[0]}
    pool = Task.objects.filter(pk=execution.task_id, pool__isnull=False).select_related("pool").first()
    if pool is not None and pool.pool is not None and execution.pool_id:
        return _("It waits for a free seat of a node, or of the pool %(pool)s.") % {"pool": pool.pool.key}
    return _("It waits for a free seat of a node.")
