"""Pain 28, P1, P3, P8: the database's clock is set by hours and days; see also promises/test_clock_steps.py."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest import MonkeyPatch

from scheduling.clock import SettableClock
from scheduling.engine.keepers import guards
from scheduling.models import Execution
from tests.promises import story
from tests.scheduling.engine.conftest import HandNode, stored


@pytest.mark.parametrize("policy", ["run_latest", "run_all", "skip"])
def test_the_databases_clock_is_set_by_hours_and_days(
    clock: SettableClock, node: HandNode, monkeypatch: MonkeyPatch, policy: str
) -> None:
    """Forwards, backwards over what has run, and forwards again: as if each minute had come once."""
    monkeypatch.setattr(guards, "host_now", clock.now)
    task = stored(
        "task", "noop", trigger_params={"expression": "* * * * *"}, misfire_policy=policy, catch_up_limit=5
    )
    for minutes in (1, 1, 1, 90, 1, -60, 1, 1, 100, -1_441, 5, 1_500, 1):
        clock.move(minutes=minutes)
        node.settle()
    story.assert_each_once(task, timedelta(minutes=1))
    runs = Execution.objects.filter(state="succeeded")
    assert runs.count() >= 6
    latest = max(runs.values_list("scheduled_for", flat=True))
    assert latest == clock.now().replace(second=0, microsecond=0)
