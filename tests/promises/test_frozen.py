"""P1, P2 and P5, pain 11: a node that is frozen for three leases and wakes up may write nothing more."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from scheduling.models import Attempt, Execution, Node
from tests.conftest import Nodes, await_, in_seconds
from tests.promises import story
from tests.promises.oddities import tasks  # noqa: F401  (registers them)
from tests.promises.test_unstorable import ODD_SETTINGS

pytestmark = pytest.mark.processes

LEASE_SECONDS = 2
SHORT_LEASE = {"JOBSITE_LEASE_SECONDS": str(LEASE_SECONDS), "JOBSITE_BEAT_SECONDS": "0.5"}
RUNS, BURST = 6, 60


def test_three_leases_frozen_in_the_midst_of_runs(nodes: Nodes) -> None:
    """Its runs are lost, or run elsewhere where their task says so, once; the rest runs elsewhere; then it wakes."""
    long: dict[str, Any] = {"function": "long_first_time", "parameters": {}}
    lost_ones = story.make_due(RUNS, in_seconds(0), nodes, **long)
    again = story.make_due(RUNS, in_seconds(0), nodes, rerun_if_lost=True, **long)
    frozen = nodes.start_ready("--threads", "16", **SHORT_LEASE, **ODD_SETTINGS)
    await_(lambda: story.count(state="running") == 2 * RUNS, what="all run")
    (frozen_id,) = Node.objects.values_list("pk", flat=True)
    other = nodes.start_ready(**SHORT_LEASE, **ODD_SETTINGS)
    os.kill(frozen.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        burst = story.make_due(BURST, in_seconds(0), nodes)
        await_(
            lambda: Node.objects.get(pk=frozen_id).state == "dead", LEASE_SECONDS + 5, "it is declared dead"
        )
        await_(lambda: story.count(task_id__in=burst, state="succeeded") == BURST, what="others do the work")
        time.sleep(max(0.0, 3 * LEASE_SECONDS - (time.monotonic() - began)))  # the freeze itself
    finally:
        os.kill(frozen.process.pid, signal.SIGCONT)
    assert frozen.process.wait(30) == 70
    assert "declared dead" in frozen.said()
    await_(lambda: story.count(finished_at__isnull=False) == 2 * RUNS + BURST, what="all have ended")
    assert other.stop() == 0

    ended = set(Execution.objects.filter(task_id__in=lost_ones).values_list("state", "reason", "attempt"))
    assert ended == {("lost", "node_died", 1)}
    ended = set(Execution.objects.filter(task_id__in=again).values_list("state", "reason", "attempt"))
    assert ended == {("succeeded", "", 2)}, "one recorded attempt each, and not the frozen node's"
    superseded = Attempt.objects.filter(execution__task_id__in=again)
    assert list(superseded.values_list("attempt", "state")) == [(1, "lost")] * RUNS
    assert not Execution.objects.filter(state="succeeded", node_id=frozen_id).exists()
    assert Execution.objects.count() == 2 * RUNS + BURST, "an occurrence has two rows"
    lines = story.lines_file(nodes).read_text().splitlines()
    assert len(lines) == len(set(lines)) == BURST
