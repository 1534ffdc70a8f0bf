"""Paused queues, and pools whose runs start no faster than their rate; the seats of each executor."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from scheduling.clock import SettableClock
from scheduling.exceptions import Refused
from scheduling.models import Execution, Node, PausedQueue, Pool, Task
from scheduling.services import claims, nodes, pools, queues, tasks
from scheduling.services.actor import Actor
from tests.conftest import TESTER
from tests.scheduling.engine.conftest import HandNode, node, stored

__all__ = ["node"]
MakeTask = Callable[..., Task]


def active(clock: SettableClock) -> Node:
    made = nodes.register(clock.at, queues=["default"], functions=[], seats={"thread": 64}, lease_seconds=15)
    nodes.set_state(made.pk, Node.State.ACTIVE, clock.at)
    return made


@pytest.mark.django_db(transaction=True)
def test_nothing_of_a_paused_queue_starts_until_it_goes_on(node: HandNode) -> None:
    task = stored("one", "noop")
    queues.pause("default", actor=Actor(source="command", reason="the database moves"))
    node.tick()
    asked = tasks.run_now(task.pk, actor=TESTER)
    for _ in range(3):
        node.tick()
    asked.refresh_from_db()
    assert asked.state == "queued"
    (queue,) = queues.all_queues()
    assert (queue.name, queue.nodes, queue.has_queued) == ("default", 1, True)
    assert queue.paused is not None
    assert queue.paused.reason == "the database moves"
    queues.resume("default", actor=TESTER)
    node.settle()
    asked.refresh_from_db()
    assert asked.state == "succeeded"
    assert not PausedQueue.objects.exists()


@pytest.mark.django_db
def test_pausing_twice_is_once_and_resuming_what_runs_is_refused(clock: SettableClock) -> None:
    first = queues.pause("reports", actor=TESTER)
    clock.move(hours=1)
    assert queues.pause("reports", actor=TESTER).paused_at == first.paused_at
    assert queues.paused() == {"reports"}
    queues.resume("reports", actor=TESTER)
    with pytest.raises(Refused, match="not paused"):
        queues.resume("reports", actor=TESTER)
    with pytest.raises(ValidationError):
        queues.pause("no such name!", actor=TESTER)


@pytest.mark.django_db
@pytest.mark.parametrize(("per_minute", "seconds", "most"), [(6, 60, 7), (60, 30, 31), (600, 6, 70)])
def test_a_pools_rate_is_never_exceeded(
    clock: SettableClock, make_task: MakeTask, per_minute: int, seconds: int, most: int
) -> None:
    """Two nodes claim as often as they can; starts are spread, at most a second's worth come at once."""
    pool = pools.save(Pool(key="api", capacity=1_000, tokens_per_minute=per_minute), actor=TESTER)
    task = make_task(pool=pool, max_concurrent=0)
    for _ in range(most + 20):
        tasks.run_now(task.pk, actor=TESTER)
    both = [active(clock), active(clock)]
    starts: Counter[int] = Counter()
    total = 0
    for step in range(seconds * 4):
        for each in both:
            taken = len(claims.claim(each.pk, uuid.uuid4(), ["default"], 64, clock.at))
            starts[step // 4] += taken
            total += taken
        clock.move(seconds=0.25)
    assert most - max(2, per_minute // 30) <= total <= most
    burst = max(1, per_minute // 60)
    assert max(starts.values()) <= 2 * burst
    # A clock that is set back gives nothing.
    clock.move(seconds=-3_600)
    before = Execution.objects.filter(state="running").count()
    claims.claim(both[0].pk, uuid.uuid4(), ["default"], 64, clock.at)
    assert Execution.objects.filter(state="running").count() - before <= burst


@pytest.mark.django_db
def test_a_rate_leaves_others_alone(clock: SettableClock, make_task: MakeTask) -> None:
    slow = Pool.objects.create(key="slow", capacity=10, tokens_per_minute=1)
    for _ in range(3):
        tasks.run_now(make_task(f"slow-{_}", pool=slow, priority=9).pk, actor=TESTER)
        tasks.run_now(make_task(f"free-{_}").pk, actor=TESTER)
    taken = claims.claim(active(clock).pk, uuid.uuid4(), ["default"], 64, clock.at)
    assert sorted(candidate.task_key for candidate in taken) == ["free-0", "free-1", "free-2", "slow-0"]


@pytest.mark.django_db
def test_an_executor_without_seats_keeps_nobody_elses(clock: SettableClock, make_task: MakeTask) -> None:
    for number in range(5):
        tasks.run_now(make_task(f"process-{number}", executor="process", priority=9).pk, actor=TESTER)
    tasks.run_now(make_task("thread").pk, actor=TESTER)
    made = active(clock)

    def claim(**free: int) -> list[str]:
        found = claims.claim(made.pk, uuid.uuid4(), ["default"], sum(free.values()), clock.at, free)
        return [candidate.task_key for candidate in found]

    assert claim(process=2, thread=4) == ["process-0", "process-1", "thread"]
    assert claim(process=0, thread=4) == []
    assert claims.queued_for(["default"], {"process": 0, "thread": 4}) == {}
    assert claims.queued_for(["default"], {"process": 1, "thread": 4}) == {"process": 1}
    assert claims.queued_for(["default"], {"thread": 4}) == {"process": 1}, (
        "nobody's is tried, and fails by name"
    )
    assert claim(process=9, thread=4) == ["process-2", "process-3", "process-4"]


@pytest.mark.django_db
@pytest.mark.parametrize("rate", [0, -1, 600_001])
def test_a_bad_rate_is_told_at_its_field(rate: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        pools.save(Pool(key="api", capacity=1, tokens_per_minute=rate), actor=TESTER)
    assert list(caught.value.message_dict) == ["tokens_per_minute"]
