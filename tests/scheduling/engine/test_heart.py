"""The beat and the watch: who stands still is dead, and nobody else (P5, pains 9 and 10)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from pytest import MonkeyPatch

from scheduling import clock
from scheduling.engine import heart as heart_module
from scheduling.engine.heart import Heart, Watch
from scheduling.models import Execution, Node
from scheduling.services import nodes, tasks
from tests.conftest import TESTER, await_
from tests.scheduling.engine.conftest import HandNode, stored

A, B = uuid.UUID(int=1), uuid.UUID(int=2)


# --- the watch, by the watcher's own clock


def test_a_beat_that_stands_still_for_a_lease_is_the_end() -> None:
    watch = Watch()
    assert [watch.look([(A, 7, 15.0)], at) for at in (100.0, 107.0, 114.9)] == [[], [], []]
    assert watch.look([(A, 7, 15.0)], 115.0) == [(A, 7)]


def test_each_beat_begins_the_lease_anew() -> None:
    watch = Watch()
    for beat, at in enumerate((0.0, 14.0, 28.0, 42.0)):
        assert watch.look([(A, beat, 15.0)], at) == []


def test_each_node_has_its_own_lease() -> None:
    watch = Watch()
    watch.look([(A, 1, 15.0), (B, 1, 60.0)], 0.0)
    assert watch.look([(A, 1, 15.0), (B, 1, 60.0)], 20.0) == [(A, 1)]


def test_time_in_which_nothing_could_be_read_does_not_count() -> None:
    """P5: a database outage, however long, makes no healthy run lost."""
    watch = Watch()
    watch.look([(A, 1, 15.0)], 0.0)
    watch.start_again()
    assert watch.look([(A, 1, 15.0)], 3_600.0) == []
    assert watch.look([(A, 1, 15.0)], 3_614.0) == []
    assert watch.look([(A, 1, 15.0)], 3_615.0) == [(A, 1)]


def test_who_is_seen_for_the_first_time_gets_a_whole_lease() -> None:
    watch = Watch()
    watch.look([], 0.0)
    assert watch.look([(A, 1, 15.0)], 1_000.0) == []


# --- the thread


class Hearts:
    def __init__(self) -> None:
        self.deaths: list[uuid.UUID] = []
        self._hearts: list[Heart] = []

    def start(self, node_id: uuid.UUID) -> Heart:
        heart = Heart(node_id, beat_seconds=0.02, died=lambda: self.deaths.append(node_id))
        self._hearts.append(heart)
        heart.start()
        return heart

    def stop(self) -> None:
        for heart in self._hearts:
            heart.stop()


@pytest.fixture
def hearts(transactional_db: None, monkeypatch: MonkeyPatch) -> Iterator[Hearts]:
    monkeypatch.setattr(heart_module, "WATCH_SECONDS", 0.02)
    made = Hearts()
    yield made
    made.stop()


def register(lease_seconds: float = 15) -> uuid.UUID:
    made = nodes.register(
        clock.refresh(), queues=[], functions=[], seats={"thread": 1}, lease_seconds=lease_seconds
    )
    nodes.set_state(made.pk, Node.State.ACTIVE, clock.now())
    return made.pk


def beat(node_id: uuid.UUID) -> int:
    return Node.objects.get(pk=node_id).beat


def state(node_id: uuid.UUID) -> str:
    return Node.objects.get(pk=node_id).state


def test_it_beats_and_gives_up_who_does_not(hearts: Hearts, node: HandNode) -> None:
    """P5, pain 8: the runs of the one that stands still are lost, those of the one that beats are not."""
    Node.objects.filter(pk=node.id).update(lease_seconds=0.3)
    execution = tasks.run_now(stored("task", "sleep", parameters={"seconds": 60}).pk, actor=TESTER)
    node.tick()
    watcher = register()
    hearts.start(watcher)
    await_(lambda: state(node.id) == "dead", what="the other is given up")
    assert (Execution.objects.get(pk=execution.pk).state, state(watcher)) == ("lost", "active")
    assert beat(watcher) > 3


@pytest.mark.parametrize(
    "error",
    [OperationalError("disk I/O error"), InterfaceError("connection already closed"), TypeError("a fault")],
    ids=type,
)
def test_it_outlives_an_error(hearts: Hearts, monkeypatch: MonkeyPatch, error: Exception) -> None:
    """Pain 5: a heart that has died in silence would make a healthy node's runs lost."""
    node_id = register()
    failed = threading.Event()

    def failing(*_args: Any) -> None:
        failed.set()
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(nodes, "beat", failing)
        heart = hearts.start(node_id)
        assert failed.wait(10)
    await_(lambda: beat(node_id) > 1, what="it beats again")
    assert heart.is_alive()


def test_an_error_begins_every_lease_anew(hearts: Hearts, monkeypatch: MonkeyPatch) -> None:
    """P5: while every other reading fails, nobody can be said to stand still."""
    still = register(lease_seconds=0.3)
    read = nodes.beats
    turns = iter(range(10**6))
    looks = 0

    def unsteady() -> Any:
        nonlocal looks
        looks += 1
        if next(turns) % 2:
            raise OperationalError("disk I/O error")
        return read()

    with monkeypatch.context() as patch:
        patch.setattr(nodes, "beats", unsteady)
        hearts.start(register())
        await_(lambda: looks > 30, what="thirty looks")
        assert state(still) == "active"
    await_(lambda: state(still) == "dead", what="steady readings find it dead")


def test_a_slow_reading_says_nothing(hearts: Hearts, monkeypatch: MonkeyPatch) -> None:
    still = register(lease_seconds=0.05)
    looked = threading.Event()

    def slow(read: Callable[[], Any] = nodes.beats) -> Any:
        found = read()
        looked.set()
        return found

    monkeypatch.setattr(heart_module, "SLOW_SECONDS", -1.0)
    monkeypatch.setattr(nodes, "beats", slow)
    hearts.start(register())
    for _ in range(10):
        looked.clear()
        assert looked.wait(10)
    assert state(still) == "active"


def test_time_in_which_the_watcher_stood_still_does_not_count(
    hearts: Hearts, monkeypatch: MonkeyPatch
) -> None:
    """P5: two nodes that were frozen together; who wakes first has not seen the other beat, and could not have."""
    monkeypatch.setattr(heart_module, "SLOW_SECONDS", 0.2)
    other = register(lease_seconds=0.4)
    write = nodes.beat
    turns = iter(range(10**6))
    looked_once, go_on = threading.Event(), threading.Event()

    def frozen(*values: Any) -> None:
        turn = next(turns)
        if turn == 3:
            threading.Event().wait(0.8)  # two leases
        elif turn == 4:
            looked_once.set()
            assert go_on.wait(30)
        write(*values)

    monkeypatch.setattr(nodes, "beat", frozen)
    hearts.start(register())
    assert looked_once.wait(10)
    assert state(other) == "active"
    go_on.set()
    await_(lambda: state(other) == "dead", what="it is given up by looks that were made")


def test_one_that_was_given_up_is_told_and_beats_no_more(hearts: Hearts) -> None:
    """P2, pain 11."""
    node_id = register()
    heart = hearts.start(node_id)
    Node.objects.filter(pk=node_id).update(state="dead", ended_at=clock.now())
    await_(lambda: hearts.deaths == [node_id], what="it is told")
    heart.join(10)
    assert not heart.is_alive()


def test_a_beat_between_the_look_and_the_verdict_saves(transactional_db: None) -> None:
    """Death is one compare-and-set."""
    node_id = register()
    seen = beat(node_id)
    nodes.beat(node_id, clock.now())
    assert nodes.declare_dead(node_id, seen, clock.now()) is None
    assert state(node_id) == "active"
