"""Results that the database could not take before the process ended: kept in a file, played back by the next node."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from pytest import MonkeyPatch

from scheduling import clock
from scheduling.engine import journal
from scheduling.engine import process as process_module
from scheduling.engine.process import DEAD, STOPPED, Options, Process
from scheduling.models import Attempt, Execution, Node
from scheduling.services import nodes, results, tasks
from scheduling.services.results import Result
from tests.conftest import TESTER, await_
from tests.scheduling.engine.conftest import HandNode, stored

Ended = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def ended(node: HandNode) -> Ended:
    """A run of this node that has ended, and whose result nobody has stored."""

    def make(key: str = "task", **values: Any) -> Result:
        tasks.run_now(stored(key, **values).pk, actor=TESTER)
        node.tick()
        node.await_results(1)
        (result,) = node.recorder.take()
        node.recorder.done()
        return result

    return make


def replay() -> None:
    Process(Options.from_settings())._replay_journals()


def test_it_is_played_back_once_as_it_was(ended: Ended) -> None:
    """Design, "recorder and database away"."""
    result = ended()
    path = journal.write(result.order.node_id, [result])
    replay()
    row = Execution.objects.get()
    assert (row.state, row.result, row.attempt) == ("succeeded", "task", 1)
    assert (row.finished_at, row.run_ms) == (result.finished_at, result.outcome.run_ms)
    assert not path.exists()
    replay()


def test_only_this_user_may_read_it(ended: Ended) -> None:
    result = ended()
    path = journal.write(result.order.node_id, [result])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_has_been_given_up_meanwhile_stays_lost(ended: Ended) -> None:
    """P2: played back is late, and late is a note."""
    result = ended()
    journal.write(result.order.node_id, [result])
    nodes.declare_dead(result.order.node_id, 0, clock.refresh())
    replay()
    assert Execution.objects.get().state == "lost"
    assert [(note.attempt, note.late_state) for note in Attempt.objects.all()] == [(1, "succeeded")]


def test_another_attempt_owns_the_row(ended: Ended) -> None:
    """P2: it runs again elsewhere, and the journal must not end that."""
    result = ended(rerun_if_lost=True)
    journal.write(result.order.node_id, [result])
    nodes.declare_dead(result.order.node_id, 0, clock.refresh())
    other = HandNode()
    other.tick()
    other.await_results(1)
    replay()
    assert (Execution.objects.get().state, Execution.objects.get().attempt) == ("running", 2)
    other.settle()
    assert (Execution.objects.get().state, Execution.objects.get().attempt) == ("succeeded", 2)


def test_several_are_played_back(ended: Ended) -> None:
    for key in ("first", "second"):
        journal.write(uuid.uuid4(), [ended(key)])
    replay()
    assert set(Execution.objects.values_list("task_key", "state")) == {
        ("first", "succeeded"),
        ("second", "succeeded"),
    }


@pytest.mark.parametrize("content", ["", "[{]", "[1]", '[{"order": {}}]', "{}"])
def test_one_that_cannot_be_read_is_set_aside(
    transactional_db: None, folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A node starts all the same, and says so."""
    path = folder / "journal" / "broken.json"
    path.parent.mkdir()
    path.write_text(content)
    replay()
    assert not path.exists()
    assert "journal" in caplog.text or content == "{}"


def test_a_result_that_cannot_be_stored_does_not_keep_the_next_node_from_starting(
    ended: Ended, monkeypatch: MonkeyPatch
) -> None:
    good, bad = ended("good"), ended("bad")
    journal.write(good.order.node_id, [good, bad])
    path = next(iter((Path(journal.folder())).glob("*.json")))
    entries = json.loads(path.read_text())
    entries[1]["outcome"]["result"] = "no JSON"
    path.write_text(json.dumps(entries))
    replay()
    assert set(Execution.objects.values_list("task_key", "state", "reason")) == {
        ("good", "succeeded", ""),
        ("bad", "failed", "result_unstorable"),
    }


@pytest.fixture
def ends_while_away(transactional_db: None, monkeypatch: MonkeyPatch) -> Callable[[], int]:
    """A run ends, its result finds no database, the node is stopped; gives the node's exit code."""
    monkeypatch.setattr(process_module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(process_module, "GRACE_SECONDS", 0.5)

    def refuse(*_args: Any) -> None:
        raise OperationalError(2006, "server has gone away: disk I/O error")

    def end() -> int:
        tasks.run_now(stored("task").pk, actor=TESTER)
        process = Process(Options(["default"], 4, 0.5, 0.05, 0.5, 15.0))
        look = process._wait

        def wait(state: Any) -> int:
            await_(lambda: len(state.recorder), what="a result waits")
            process.ask_to_stop()
            return look(state)

        with monkeypatch.context() as patch:
            patch.setattr(results, "record", refuse)
            patch.setattr(process, "_wait", wait)
            return process.run()

    return end


def test_a_node_that_ends_while_the_database_is_away_leaves_one(
    ends_while_away: Callable[[], int], folder: Path
) -> None:
    """The whole way: the next node stores it."""
    assert ends_while_away() == STOPPED
    assert len(list((folder / "journal").glob("*.json"))) == 1
    assert Execution.objects.get().state == "running"
    assert Node.objects.get().state in Node.LIVE, "it is the journal's or the watchers' to end"
    replay()
    assert Execution.objects.get().state == "succeeded"


def test_a_node_that_ends_with_neither_database_nor_disk_says_so(
    ends_while_away: Callable[[], int], monkeypatch: MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pain 40: it ends with 70, in order; the run is the others' to give up."""

    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "write", full)
    assert ends_while_away() == DEAD
    assert "results cannot be kept" in caplog.text
    assert Execution.objects.get().state == "running"
    assert Node.objects.get().state in Node.LIVE
