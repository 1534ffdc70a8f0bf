"""Queues: which there are, and pausing one. While it is paused nothing of it starts, whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Count
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.exceptions import Refused
from scheduling.models import ACTIVE, Execution, Node, PausedQueue, State, Task
from scheduling.models.names import queue_validator
from scheduling.services import health
from scheduling.services.actor import Actor
from scheduling.sql.prepared import Prepared
from scheduling.sql.transactions import in_transaction


@dataclass(frozen=True, slots=True)
class Queue:
    """As of now."""

    name: str
    nodes: int  # live ones that take from it
    paused: PausedQueue | None
    has_queued: bool  # something waits in it for a seat


@dataclass(slots=True)
class Load:
    """What a queue has to do now, and who does it."""

    tasks: int = 0
    waiting: int = 0
    queued: int = 0
    running: int = 0
    nodes: list[Node] = field(default_factory=list)  # live ones that take from it


def pause(name: str, *, actor: Actor) -> PausedQueue:
    """Nothing of the queue starts any more, in effect within 2 s; what runs goes on, what comes due lines up.

    Pausing a paused one changes nothing. Raises ValidationError when no queue can have that name.
    """
    queue_validator(name)

    def work() -> PausedQueue:
        values = {"paused_at": clock.refresh(), "paused_by_id": actor.user_id, "reason": actor.reason[:500]}
        queue, _made = PausedQueue.objects.get_or_create(name=name, defaults=values)
        return queue

    return in_transaction(work)


def resume(name: str, *, actor: Actor) -> None:
    """Lets it go on. Raises Refused when it is not paused."""
    removed, _by_model = PausedQueue.objects.filter(name=name).delete()
    if not removed:
        raise Refused("queue_not_paused", _("The queue %(name)s is not paused.") % {"name": name})


def paused() -> set[str]:
    """The names of the paused ones."""
    return {name for (name,) in PAUSED.rows()}


PAUSED = Prepared(lambda: PausedQueue.objects.order_by().values_list("name"))


def all_queues() -> list[Queue]:
    """Those that a task or a live node names, and those that are paused, by name."""
    at_rest = {queue.name: queue for queue in PausedQueue.objects.select_related("paused_by")}
    takers = [name for node in health.beating(clock.now()) for name in node.queues]
    named = set(Task.objects.present().order_by().values_list("queue", flat=True).distinct())
    return [
        Queue(
            name,
            takers.count(name),
            at_rest.get(name),
            bool(Execution.objects.filter(state=State.QUEUED, queue=name).values_list("id")[:1]),
        )
        for name in sorted(named | set(takers) | at_rest.keys())
    ]


def loads() -> dict[str, Load]:
    """The load of each queue that has one, by name; in one query each for tasks, active runs and nodes."""
    found: dict[str, Load] = {}
    tasks = Task.objects.present().order_by().values_list("queue").annotate(number=Count("id"))
    for name, number in tasks:
        found.setdefault(name, Load()).tasks = number
    active = Execution.objects.filter(state__in=ACTIVE).order_by().values_list("queue", "state")
    for name, state, number in active.annotate(number=Count("id")):
        setattr(found.setdefault(name, Load()), State(state).value, number)
    for node in health.beating(clock.now()):
        for name in node.queues:
            found.setdefault(name, Load()).nodes.append(node)
    return found
