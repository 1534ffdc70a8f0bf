"""The runs a node has in hand, looked at by one thread while another begins more."""

from __future__ import annotations

import uuid

from pytest import MonkeyPatch

from scheduling import executors
from scheduling.engine.recorder import Recorder
from scheduling.engine.runs import Runs
from scheduling.executors import RunOrder
from scheduling.executors.thread import ThreadExecutor


def test_an_executor_may_start_while_the_runs_are_counted(monkeypatch: MonkeyPatch) -> None:
    """Pain 6: the tick starts executors when they are needed first; the main thread counts for its status file.

    Found by the soak: "dictionary changed size during iteration", and the node was gone.
    """
    runs = Runs(uuid.uuid4(), 4, Recorder(), ended=lambda: None)

    class Meanwhile(ThreadExecutor):
        def running(self) -> tuple[RunOrder, ...]:
            runs._executor("second")
            return super().running()

    monkeypatch.setattr(
        executors, "executor_class", lambda name: Meanwhile if name == "first" else ThreadExecutor
    )
    runs._executor("first")
    assert runs.running() == {}
    runs.shutdown(1)
