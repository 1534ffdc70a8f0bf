"""Housekeepers that a tick calls: counting what has ended, and obeying who asks the node to drain."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scheduling import clock
from scheduling.engine.keepers import ahead
from scheduling.engine.keepers import tallies as keeper
from scheduling.models import Execution, Node, Tally
from scheduling.services import liverows, nodes, stats, tallies, tasks
from scheduling.services.plans import plans
from tests.conftest import TESTER, await_
from tests.scheduling.engine.conftest import HandNode, make_due, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting takes its turn at each tick, however long the last one took on a slow machine."""
    monkeypatch.setattr(keeper, "SHARE", 0)


def test_ended_runs_are_counted_within_half_a_minute(node: HandNode) -> None:
    with clock.use(clock.SettableClock(clock.refresh())) as settable:
        make_due(stored("echo"), stored("fail", "fail", parameters={"message": "no"}))
        node.settle()
        settable.move(seconds=30)
        node.tick()
        counts = stats.since(settable.now() - timedelta(minutes=5)).counts
        assert counts == {"succeeded": 1, "failed": 1}
        node.tick()
        assert stats.since(settable.now() - timedelta(minutes=5)).counts == counts


def test_what_ended_before_anybody_counted_is_counted_too(node: HandNode) -> None:
    make_due(stored("echo"))
    node.settle()
    past = clock.refresh() - timedelta(hours=30)
    Execution.objects.update(finished_at=past)
    Tally.objects.all().delete()
    node.new_keepers()
    node.tick_until(lambda: Tally.objects.filter(quarter=tallies.quarter_of(past), state="succeeded"))
    assert Tally.objects.get(state="succeeded").number == 1


def test_a_node_that_is_asked_to_drain_claims_nothing_more(node: HandNode) -> None:
    nodes.drain(node.id, actor=TESTER)
    node.tick()
    assert node.state.drain_asked
    assert Node.objects.get().state == Node.State.DRAINING
    execution = tasks.run_now(stored("echo").pk, actor=TESTER)
    node.tick()
    assert Execution.objects.get(pk=execution.pk).state == "queued"


def test_what_killed_programs_left_behind_is_removed(node: HandNode, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    node.tick()  # there is none yet
    asked = tasks.run_now(stored("echo").pk, actor=TESTER)
    Execution.objects.filter(pk=asked.pk).update(
        state="running", node_id=uuid.uuid4(), started_at=clock.now(), attempt=2
    )
    names = [f"{asked.pk}-1", f"{asked.pk}-2", "987654-1", "not-a-run", "7"]
    for name in names:
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "dump").write_text("large")
    node.tick()
    await_(lambda: len(list((tmp_path / "runs").iterdir())) == 3, 5)
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {f"{asked.pk}-2", "not-a-run", "7"}


def test_what_troubles_an_executor_is_shown_with_the_node(
    node: HandNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node.runs, "trouble", lambda: "takes no coroutines")
    node.tick()
    assert Node.objects.get().warning == "takes no coroutines"
    monkeypatch.undo()
    node.tick()
    assert Node.objects.get().warning == ""


def test_what_soon_comes_due_is_read_ahead(node: HandNode) -> None:
    with clock.use(clock.SettableClock(clock.refresh())) as settable:
        soon, far = stored("soon"), stored("far")
        liverows.move(
            {
                soon.pk: settable.now() + timedelta(seconds=10),
                far.pk: settable.now() + timedelta(seconds=100),
            }
        )
        plans.forget()
        node.settle()
        node.tick()
        assert plans.unknown([soon.pk, far.pk]) == [far.pk]
        # An edit is in effect all the same: a plan is used at its own version only.
        soon.function, soon.parameters = "noop", {}
        tasks.edit(soon, actor=TESTER)
        make_due(soon)
        node.settle()
        assert Execution.objects.get(task=soon).function == "noop"


def test_many_are_read_ahead_a_part_at_a_time(node: HandNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there was no time for is read at the next look, whatever was deleted meanwhile."""
    monkeypatch.setattr(ahead, "TASKS", 2)
    with clock.use(clock.SettableClock(clock.refresh())) as settable:
        soon = [stored(f"soon-{number}") for number in range(5)]
        liverows.move({task.pk: settable.now() + timedelta(seconds=10) for task in soon})
        node.settle()
        plans.forget()
        keeper, ids = ahead.Ahead(), [task.pk for task in soon]
        moments = iter(range(100))
        look = SimpleNamespace(monotonic=lambda: 0.06 * next(moments))  # time for one part at each look
        monkeypatch.setattr(ahead, "time", look)
        keeper.keep(node.state, settable.now())
        assert len(plans.unknown(ids)) == 3
        tasks.delete(soon[2].pk, actor=TESTER)
        keeper.keep(node.state, settable.now())
        keeper.keep(node.state, settable.now())
        assert plans.unknown(ids) == [soon[2].pk]
