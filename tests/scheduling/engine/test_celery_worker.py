"""What a process of a Celery worker does about its messages when something goes wrong; without a broker (P3, P4)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from scheduling import clock
from scheduling.models import Execution, Node
from scheduling.services import claims, executions, nodes, queues, results, tasks
from tests.conftest import TESTER, new_task
from tests.scheduling.engine.conftest import YEARLY

pytest.importorskip("celery")

from scheduling.engine.celery import worker


@pytest.fixture
def started(
    transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    settings.JOBSITE_CELERY_BROKER = "redis://127.0.0.1:1/0"  # nobody speaks to it here
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "_queues", ["default"])
    monkeypatch.setattr(worker, "_self", None)
    handler = signal.getsignal(signal.SIGUSR2)
    yield monkeypatch
    worker._end()
    signal.signal(signal.SIGUSR2, handler)


def ask(function: str = "noop", key: str = "task", **values: Any) -> int:
    """A run for a worker, as if it had been handed over."""
    made = tasks.create(new_task(key, function=function, executor="celery", **YEARLY | values), actor=TESTER)
    execution = tasks.run_now(made.pk, actor=TESTER)
    Execution.objects.filter(pk=execution.pk).update(handed_at=clock.refresh())
    return execution.pk


def row(id: int) -> Execution:
    return Execution.objects.get(pk=id)


def failing_once(call: Any, error: Exception, *, after: bool) -> Any:
    """The call, which fails the first time: before it has done anything, or when it is done."""
    turns = iter(range(10**6))

    def failing(*values: Any, **more: Any) -> Any:
        first = next(turns) == 0
        if first and not after:
            raise error
        answer = call(*values, **more)
        if first:
            raise error
        return answer

    return failing


AWAY = OperationalError("the server has gone away")


def test_a_claim_whose_answer_was_lost_is_begun_once(started: pytest.MonkeyPatch) -> None:
    worker._begin()
    started.setattr(claims, "claim_one", failing_once(claims.claim_one, AWAY, after=True))
    id = ask()
    worker.work(id)
    assert (row(id).state, row(id).attempt) == ("succeeded", 1)


def test_what_could_not_be_recorded_is_told_as_lost(started: pytest.MonkeyPatch) -> None:
    worker._begin()
    first, second = ask(key="first"), ask(key="second")
    with started.context() as patch:
        patch.setattr(results, "record", failing_once(results.record, TypeError("a fault"), after=False))
        with pytest.raises(TypeError):
            worker.work(first)
    assert row(first).state == "running"
    worker.work(second)
    assert (row(first).state, row(first).reason) == ("lost", "node_died")
    assert row(second).state == "succeeded"


def test_a_process_that_ends_leaves_nothing_running(started: pytest.MonkeyPatch) -> None:
    worker._begin()
    node = Node.objects.get()
    once, again = ask(key="once"), ask(key="again", rerun_if_lost=True)
    for id in (once, again):
        assert claims.claim_one(node.pk, node.pk, id, clock.refresh())
    worker._end()
    assert (row(once).state, row(once).reason) == ("lost", "node_stopped")
    assert row(again).state == "queued"
    assert Node.objects.get().state == "stopped"


def test_one_that_was_made_while_the_database_was_away_is_a_node_later(started: pytest.MonkeyPatch) -> None:
    """Celery logs what its signal's receiver raises, and goes on."""
    started.setattr(nodes, "register", failing_once(nodes.register, AWAY, after=False))
    with pytest.raises(OperationalError):
        worker._begin()
    id = ask()
    worker.work(id)
    assert row(id).state == "succeeded"
    assert Node.objects.get().state == "active"


def test_what_was_handed_over_waits_while_its_queue_is_paused(started: pytest.MonkeyPatch) -> None:
    worker._begin()
    id = ask()
    queues.pause("default", actor=TESTER)
    worker.work(id)
    assert (row(id).state, row(id).handed_at) == ("queued", None)
    queues.resume("default", actor=TESTER)
    assert [found[0] for found in executions.to_hand_over(["default"], clock.refresh())] == [id]
    worker.work(id)
    assert row(id).state == "succeeded"


def test_a_retry_is_handed_over_at_once(started: pytest.MonkeyPatch) -> None:
    worker._begin()
    id = ask("fail", retries=1, retry_delay_seconds=5, parameters={"message": "no"})
    worker.work(id)
    assert (row(id).state, row(id).reason, row(id).handed_at) == ("waiting", "retry", None)
