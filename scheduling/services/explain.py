"""Why a task did, or did not, run at a moment: answered from rows, in sentences, the answer first.

Times are told in Django's current time zone, named.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling import clock
from scheduling.exceptions import InvalidTrigger
from scheduling.models import (
    NEVER,
    Attempt,
    Calendar,
    Dependency,
    Execution,
    Node,
    PausedQueue,
    Pool,
    Reason,
    State,
    Task,
    TaskVersion,
)
from scheduling.sentences import in_words
from scheduling.services import health, lateness, liverows
from scheduling.services.lateness import Lateness

#: An execution whose nominal time is this near is taken for the one that is meant.
NEAR = timedelta(seconds=59)
VERBS = TaskVersion.Verb
#: Executions before one that was skipped, among which the run that was in its way is looked for.
BEFORE = 50
#: Executions in the line before a queued one that are counted.
COUNTED_AHEAD = 1_000


@dataclass(slots=True)
class Explanation:
    """``code`` is stable and for programs: ran, runs, waits, did_not_run, not_due, unknown."""

    code: str
    answer: str
    facts: list[str] = field(default_factory=list)
    execution_id: int | None = None
    lateness: Lateness | None = None


def of(execution: Execution) -> Explanation:
    """Why this one is as it is."""
    return _of_execution(execution, clock.refresh())


def explain(task: Task, at: datetime | None = None) -> Explanation:
    """Why the task did or did not run at ``at``, which may lie ahead; without it, what stands against it now."""
    now = clock.refresh()
    moment = at or now
    execution = _execution(task, moment, exact=at is not None)
    if execution is not None:
        return _of_execution(execution, now)
    if at is not None and moment < now:
        return _of_past(task, moment)
    return _of_future(task, moment, now)


def _execution(task: Task, moment: datetime, *, exact: bool) -> Execution | None:
    """The row that stands for the moment; without one that is meant, whatever of the task is active now."""
    rows = Execution.objects.filter(task_id=task.pk)
    if not exact:
        return rows.active().order_by("id").first()
    near = rows.filter(scheduled_for__gte=moment - NEAR, scheduled_for__lte=moment + NEAR)
    found = sorted(near.order_by("scheduled_for")[:20], key=lambda row: abs(row.scheduled_for - moment))
    if found:
        return found[0]
    before = rows.filter(scheduled_for__lte=moment).order_by("-scheduled_for").first()
    if before is not None and before.covers_until is not None and before.covers_until >= moment:
        return before
    return None


# --- there is a row


def _of_execution(execution: Execution, now: datetime) -> Explanation:
    id, at = execution.pk, _time(execution.scheduled_for)
    facts = [_("Execution #%(id)d, due at %(at)s (%(origin)s).") % {
        "id": id, "at": at, "origin": execution.get_origin_display(),
    }]  # fmt: skip
    if execution.covers_until is not None:
        facts.append(_("It stands for all times until %s.") % _time(execution.covers_until))
    late = lateness.of(execution)
    if execution.started_at is not None:
        waited = (execution.started_at - execution.scheduled_for).total_seconds()
        names = {"seconds": waited, "at": _time(execution.started_at), "node": _node(execution)}
        facts.append(
            _("Attempt %(attempt)d began at %(at)s on node %(node)s, %(seconds).1f s after its time.")
            % (names | {"attempt": execution.attempt})
        )
    if execution.reason == Reason.OVERLAP:
        facts += _in_the_way(execution)
    for attempt in Attempt.objects.filter(execution_id=id).order_by("attempt")[:20]:
        why = in_words(attempt.detail or attempt.message)
        names = {"number": attempt.attempt, "state": attempt.get_state_display(), "why": why}
        facts.append(_("Attempt %(number)d ended %(state)s: %(why)s") % names)
    why = in_words(execution.detail) or execution.get_reason_text()
    words = {"id": id, "state": execution.get_state_display(), "why": why}
    answer = _answer(execution, words, why, facts, now)
    answer.lateness = late
    return answer


def _answer(
    execution: Execution, words: dict[str, object], why: str, facts: list[str], now: datetime
) -> Explanation:
    id = execution.pk
    if execution.state == State.RUNNING:
        return Explanation("runs", _("It runs (#%(id)d).") % words, facts, id)
    if execution.state == State.WAITING:
        if execution.available_at < NEVER:
            facts.append(_("It waits until %s at least.") % _time(execution.available_at))
        return Explanation("waits", _("It waits (#%(id)d): %(why)s") % words, facts, id)
    if execution.state == State.QUEUED:
        obstacles = against_a_start(execution, now)
        ahead = _ahead(execution)
        answer = _("It is queued (#%(id)d), and nothing stands against it.") % words
        if obstacles:
            answer = _("It is queued (#%(id)d) and cannot start: ") % words + obstacles[0]
            obstacles += ahead[:1]
        elif ahead:
            answer = _("It is queued (#%(id)d): ") % words + ahead[0]
            obstacles = ahead
        facts += [*obstacles[1:], _busy(execution), *_troubles(execution, now)]
        return Explanation("waits", answer, facts, id)
    if execution.started_at is not None:
        answer = _("It ran (#%(id)d): %(state)s.") % words
        return Explanation("ran", f"{answer} {why}".strip(), facts, id)
    return Explanation("did_not_run", _("It did not run (#%(id)d): %(state)s, %(why)s") % words, facts, id)


def _node(execution: Execution) -> str:
    """Its name, and what has become of it if it lives no more."""
    node = Node.objects.filter(pk=execution.node_id).first() if execution.node_id else None
    if node is None or node.state in Node.LIVE:
        return str(node or execution.node_id or "-")
    names = {"node": node, "state": node.get_state_display(), "at": _time(node.ended_at or node.heartbeat_at)}
    return _("%(node)s (%(state)s since %(at)s)") % names


def _in_the_way(execution: Execution) -> list[str]:
    """The runs of the task that were active when this one was decided upon, as far as they are kept."""
    before = Execution.objects.filter(task_id=execution.task_id, pk__lt=execution.pk).order_by("-pk")[:BEFORE]
    moment = execution.admitted_at
    found = [
        row for row in before if row.started_at and row.started_at <= moment <= (row.finished_at or moment)
    ]
    return [
        _("#%(id)d ran at that moment: from %(start)s until %(end)s.")
        % {
            "id": row.pk,
            "start": _time(row.started_at or moment),
            "end": _time(row.finished_at) if row.finished_at else _("now"),
        }
        for row in reversed(found[:5])
    ]


def _ahead(execution: Execution) -> list[str]:
    """How many queued ones are claimed before it, in a sentence; none when it is the first."""
    line = Execution.objects.filter(
        state=State.QUEUED, queue=execution.queue, executor=execution.executor
    ).filter(Q(rank__lt=execution.rank) | Q(rank=execution.rank, pk__lt=execution.pk))
    number = len(line.order_by().values_list("pk")[: COUNTED_AHEAD + 1])
    if not number:
        return []
    names = {"number": min(number, COUNTED_AHEAD), "queue": execution.queue, "executor": execution.executor}
    if number > COUNTED_AHEAD:
        text = _(
            "more than %(number)d runs of the queue %(queue)s and the executor %(executor)s come before it,"
            " by priority and age."
        )
    else:
        text = ngettext(
            "%(number)d run of the queue %(queue)s and the executor %(executor)s comes before it,"
            " by priority and age.",
            "%(number)d runs of the queue %(queue)s and the executor %(executor)s come before it,"
            " by priority and age.",
            number,
        )
    return [text % names]


def _busy(execution: Execution) -> str:
    """What takes the seats that it could have."""
    running = Execution.objects.filter(
        state=State.RUNNING, queue=execution.queue, executor=execution.executor
    ).count()
    text = ngettext(
        "%(number)d run of the queue %(queue)s and the executor %(executor)s is running now.",
        "%(number)d runs of the queue %(queue)s and the executor %(executor)s are running now.",
        running,
    )
    return text % {"number": running, "queue": execution.queue, "executor": execution.executor}


def _troubles(execution: Execution, now: datetime) -> list[str]:
    """What troubles the nodes of its queue, although they claim."""
    takers = [node for node in health.beating(now) if execution.queue in node.queues and node.warning]
    return [
        _("Node %(node)s: %(warning)s.") % {"node": node, "warning": in_words(node.warning).rstrip(".。")}
        for node in takers
    ]


# --- there is none


def _of_past(task: Task, moment: datetime) -> Explanation:
    versions = TaskVersion.objects.filter(task=task)
    version = versions.filter(at__lte=moment).order_by("-version").first()
    if version is None:
        text = _("The task did not exist yet: it was made at %s.") % _time(task.created_at)
        return Explanation("not_due", text)
    facts = [_("At that moment version %(version)d was in effect, since %(at)s.") % {
        "version": version.version, "at": _time(version.at),
    }]  # fmt: skip
    if version.verb == VERBS.DELETE:
        return Explanation("not_due", _("The task had been deleted%s.") % _by(version), facts)
    past = versions.filter(at__lte=moment).select_related("by").order_by("-version")
    if not version.definition.get("enabled", True):
        done = past.filter(verb=VERBS.DISABLE).first()
        return Explanation("not_due", _("The task was disabled%s.") % _by(done), facts)
    last = past.filter(verb__in=(VERBS.PAUSE, VERBS.RESUME)).first()
    if last is not None and last.verb == VERBS.PAUSE:
        return Explanation("not_due", _("The task was paused%s.") % _by(last), facts)
    try:
        due = _was_due(task, version, moment, facts)
    except (InvalidTrigger, AttributeError, KeyError, TypeError, ValueError) as error:
        facts.append(f"{type(error).__name__}: {error}")
        return Explanation("unknown", _("The schedule of that time cannot be computed any more."), facts)
    if due == "calendar":
        text = _("Its calendar left that moment out: %s.") % version.definition.get("calendar")
        return Explanation("not_due", text, facts)
    if not due:
        return Explanation("not_due", _("It was not due at that moment."), facts)
    if task.group is not None and task.group.paused:
        facts.append(_("Its group is paused now; since when, no row says."))
    oldest = Execution.objects.order_by("id").values_list("scheduled_for", flat=True).first()
    if oldest is None or oldest > moment:
        facts.append(_("The oldest execution that is kept is of %s.") % (_time(oldest) if oldest else "-"))
        return Explanation("unknown", _("It was due; rows as old as that have been removed."), facts)
    alive = Node.objects.filter(started_at__lte=moment).filter(
        Q(ended_at__isnull=True, heartbeat_at__gte=moment) | Q(ended_at__gte=moment)
    )
    if not alive.exists():
        text = _(
            "It was due, and no scheduler was running; the time was passed over by an edit, or will be admitted."
        )
        return Explanation("did_not_run", text, facts)
    return Explanation(
        "unknown", _("It was due and has no row: manage.py doctor looks for the reason."), facts
    )


def _by(version: TaskVersion | None) -> str:
    """Since when, by whom and why."""
    if version is None:
        return ""
    who = version.by.get_username() if version.by else version.source
    text = _(" since %(at)s, by %(who)s") % {"at": _time(version.at), "who": who}
    return f"{text} ({version.reason})" if version.reason else text


def _was_due(task: Task, version: TaskVersion, moment: datetime, facts: list[str]) -> str:
    """``due``, ``calendar`` when only its calendar kept it from being due, or nothing."""
    then = copy(task)
    for name in set(Task.SCHEDULE) & version.definition.keys():
        value = version.definition[name]
        if name in ("start_at", "end_at") and value:
            value = datetime.fromisoformat(value)
        elif name == "calendar":  # as it is now: calendars keep no versions
            value = Calendar.objects.filter(key=value).first() if value else None
        setattr(then, name, value)
    trigger = then.build_trigger()
    before, after = trigger.latest(moment + NEAR, moment - timedelta(days=400)), trigger.next_after(moment)
    facts.append(
        _("By its schedule (%(schedule)s) it was due before at %(before)s, and after at %(after)s.")
        % {
            "schedule": trigger.describe(),
            "before": _time(before) if before else "-",
            "after": _time(after) if after else "-",
        }
    )
    if before is not None and abs(before - moment) <= NEAR:
        return "due"
    if then.calendar is not None:
        then.calendar = None
        without = then.build_trigger().latest(moment + NEAR, moment - 2 * NEAR)
        if without is not None and abs(without - moment) <= NEAR:
            return "calendar"
    return ""


def _of_future(task: Task, moment: datetime, now: datetime) -> Explanation:
    if task.deleted_at:
        return Explanation("not_due", _("The task has been deleted."))
    past = TaskVersion.objects.filter(task=task).select_related("by").order_by("-version")
    if not task.enabled:
        return Explanation(
            "not_due", _("The task is disabled%s.") % _by(past.filter(verb=VERBS.DISABLE).first())
        )
    if task.paused:
        return Explanation("not_due", _("The task is paused%s.") % _by(past.filter(verb=VERBS.PAUSE).first()))
    if task.is_at_rest:
        return Explanation("not_due", _("The group of the task is paused."))
    if task.schedule_error:
        text = _("Its schedule cannot be computed: %s") % task.schedule_error
        return Explanation("not_due", text)
    facts = []
    next_time = liverows.next_time(task.pk)
    if next_time is not None:
        facts.append(_("Its next time is %s.") % _time(next_time))
    upstream = Dependency.objects.filter(task=task).select_related("upstream")
    if upstream:
        names = ", ".join(f"{each.upstream.key} ({each.on})" for each in upstream)
        facts.append(
            _("It runs after %(mode)s of: %(names)s.") % {"mode": task.dependency_mode, "names": names}
        )
    obstacles = against_a_start(task, now)
    if obstacles:
        return Explanation("did_not_run", _("It could not start: ") + obstacles[0], obstacles[1:] + facts)
    if next_time is None:
        return Explanation("not_due", _("Its schedule has no next time."), facts)
    return Explanation("not_due", _("It is not due, and nothing stands against it."), facts)


def against_a_start(what: Execution | Task, now: datetime) -> list[str]:
    """What keeps it, or a run of it, from starting now; sentences, the worst first."""
    queue, function = what.queue, what.function
    found = []
    takers = [node for node in health.beating(now) if queue in node.queues]
    if not takers:
        found.append(_("no live node takes from the queue %s.") % queue)
    elif what.executor == "celery":
        found += _against_a_worker(queue, function, now)
    elif not any(function in node.functions for node in takers):
        found.append(_("no live node of the queue %(queue)s has the function %(function)s.")
                     % {"queue": queue, "function": function})  # fmt: skip
    if takers and all(node.state != Node.State.ACTIVE or node.detail for node in takers):
        reasons = "; ".join(f"{node}: {in_words(node.detail) or node.get_state_display()}" for node in takers)
        found.append(_("no node of the queue claims: %s.") % reasons)
    paused = PausedQueue.objects.filter(name=queue).first()
    if paused is not None:
        names = {"queue": queue, "at": _time(paused.paused_at), "why": paused.reason or "-"}
        found.append(_("the queue %(queue)s is paused since %(at)s (%(why)s).") % names)
    pool = Pool.objects.filter(pk=what.pool_id).first() if what.pool_id else None
    if pool is not None:
        found += _against_the_pool(pool, what.weight, now)
    return found


def _against_a_worker(queue: str, function: str, now: datetime) -> list[str]:
    """A scheduler hands it over; that a worker of Celery's takes it is another matter."""
    workers = [node for node in health.beating(now, Node.Kind.WORKER) if queue in node.queues]
    if not workers:
        return [_("no live Celery worker takes from the queue %s.") % queue]
    if not any(function in node.functions for node in workers):
        return [_("no Celery worker of the queue %(queue)s has the function %(function)s.")
                % {"queue": queue, "function": function}]  # fmt: skip
    return []


def _against_the_pool(pool: Pool, weight: int, now: datetime) -> list[str]:
    if pool.paused:
        return [_("the pool %s is paused.") % pool.key]
    used = (
        Execution.objects.filter(state=State.RUNNING, pool_id=pool.pk).aggregate(used=Sum("weight"))["used"]
        or 0
    )
    if used + weight > pool.capacity:
        names = {"pool": pool.key, "used": used, "capacity": pool.capacity, "weight": weight}
        return [
            _("the pool %(pool)s is full: %(used)d of %(capacity)d seats are taken, %(weight)d needed.")
            % names
        ]
    tokens = pool.tokens_at(now)
    if tokens is not None and tokens < 1:
        return [_("the pool %(pool)s lets only %(rate)d start in a minute.")
                % {"pool": pool.key, "rate": pool.tokens_per_minute}]  # fmt: skip
    return []


def _time(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"
