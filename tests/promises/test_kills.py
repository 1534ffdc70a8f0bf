"""P3 and P5, pains 8, 12 and 27: kill -9 at any moment loses nothing, repeats nothing, blocks nothing."""

from __future__ import annotations

import os
import random
import time

import pytest

from scheduling.models import ACTIVE, Attempt, Execution, Node
from tests.conftest import Nodes, await_, in_seconds
from tests.promises import story

pytestmark = pytest.mark.processes

SHORT_LEASE = {"JOBSITE_LEASE_SECONDS": "2", "JOBSITE_BEAT_SECONDS": "0.5"}
KILLS = 20


def test_twenty_kills_at_random_moments_of_bursts_of_500(nodes: Nodes) -> None:
    """Each kill hits a fresh burst; the next node starts at once, and watches the dead one's lease run out."""
    seed = int(os.environ.get("JOBSITE_TEST_SEED", random.randrange(10**6)))
    print(f"JOBSITE_TEST_SEED={seed}")
    moments = random.Random(seed)
    tasks = 0
    for _kill in range(KILLS):
        story.make_due(500, in_seconds(0), nodes)
        tasks += 500
        node = nodes.start("--threads", "8", **SHORT_LEASE)
        await_(lambda node=node: "scheduler started" in node.said(), 30, "the node starts")
        time.sleep(moments.uniform(0, 0.25))  # the random moment is the point of it, nothing is awaited
        node.kill()
    last = nodes.start_ready(**SHORT_LEASE)
    await_(lambda: not story.count(state__in=ACTIVE) and not _due(), 90, "all have ended")
    assert last.stop() == 0
    ended = story.check(nodes, tasks)
    assert ended.keys() <= {"succeeded", "lost"}
    # No more can be in doubt than the seats that each killed node had.
    assert ended["lost"] <= KILLS * 8
    assert not Node.objects.filter(state__in=Node.LIVE).exists()
    assert set(Execution.objects.filter(state="lost").values_list("reason", flat=True)) <= {"node_died"}


def _due() -> bool:
    from scheduling import clock
    from scheduling.services import liverows

    earliest = liverows.earliest()
    return earliest is not None and earliest <= clock.refresh()


def test_a_lost_run_of_a_task_that_allows_it_runs_again(nodes: Nodes) -> None:
    """P4, pain 8: the retry policy is applied once, and the first attempt is kept."""
    values = {"function": "sleep", "parameters": {"seconds": 1}}
    story.make_due(1, in_seconds(0), nodes, rerun_if_lost=True, **values)
    first = nodes.start_ready(**SHORT_LEASE)
    await_(lambda: story.count(state="running"), what="it runs")
    first.kill()
    nodes.start_ready(**SHORT_LEASE)
    await_(lambda: story.count(state="succeeded"), what="it runs again")
    assert Execution.objects.get().attempt == 2
    assert list(Attempt.objects.values_list("attempt", "state", "reason")) == [(1, "lost", "node_died")]


def test_the_next_occurrence_is_not_blocked_by_a_lost_one(nodes: Nodes) -> None:
    """Pain 8: max_concurrent is 1, and the dead node's run counted."""
    from scheduling.models import Task
    from scheduling.services import tasks
    from tests.conftest import TESTER

    story.make_due(1, in_seconds(0), nodes, function="sleep", parameters={"seconds": 600})
    first = nodes.start_ready(**SHORT_LEASE)
    await_(lambda: story.count(state="running"), what="it runs")
    first.kill()
    again = tasks.run_now(Task.objects.get().pk, actor=TESTER, parameters={"seconds": 0})
    assert again.state == "waiting"
    nodes.start_ready(**SHORT_LEASE)
    await_(lambda: story.count(pk=again.pk, state="succeeded"), what="the next one runs")
    assert story.count(state="lost", reason="node_died") == 1
