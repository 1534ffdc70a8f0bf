"""P1, P2, P3 and P5, pains 8, 12 and 27: ending between any two statements loses, repeats and blocks nothing.

Which statements there are, a run that records them says; a seed chooses the ones that processes die at here, and
``benchmarks/faults.py --every-step`` dies at all of them.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.failpoints import AFTER, Point, read_steps
from tests.faults.ward import Ward

pytestmark = pytest.mark.processes

TURNS = 2
#: Of each turn's deaths, those before and those after a commit, and others.
EACH_TURN = (1, 1, 2)
#: Only after steps that match is died, at each time they are come by, where somebody looks for a certain fault
#: (benchmarks/mutants.py): which of them it shows at is chance.
STEPS = os.environ.get("JOBSITE_TEST_STEPS", "")
SEED = int(os.environ.get("JOBSITE_TEST_SEED", random.randrange(10**6)))


@pytest.fixture
def points(recorded: Path) -> Counter[Point]:
    return read_steps(recorded)


def test_undisturbed_it_comes_by_every_kind_of_transaction(points: Counter[Point]) -> None:
    """What nobody comes by, nobody dies at."""
    steps = " ".join(point.step for point in points)
    for name in (
        "admit_due", "_exchange", "claim", "record", "beat", "declare_dead", "release_runs", "react", "promote",
        "Waiting.keep", "Following.keep", "LiveRows.keep", "Logs.keep", "Tallies.keep", "Queues.keep", "Control.keep",
        "Drain.keep", "send_due", "prune", "_register", "_replay_journals", "_end_rows", "make_way", "_retry",
        "_hand_back",
    ):  # fmt: skip
        assert name in steps
    assert len(points) > 150
    assert sum("COMMIT" in point.step and point.moment == AFTER for point in points) > 15


def sample(points: Counter[Point], turn: int) -> list[Point]:
    """Some of each kind; a step that is come by often may be met at a later time."""
    chance = random.Random(f"{SEED} {turn}")
    wanted = [point for point in points if re.search(STEPS, point.step)]
    commits = [point for point in wanted if "COMMIT" in point.step]
    kinds = (
        [point for point in commits if point.moment != AFTER],
        [point for point in commits if point.moment == AFTER],
        [point for point in wanted if "COMMIT" not in point.step],
    )
    if STEPS:
        every = [
            Point(point.step, point.moment, time)
            for point in sorted(kinds[1])
            for time in range(1, min(points[point], 3) + 1)
        ]
        return every[turn::TURNS]
    return [
        Point(point.step, point.moment, chance.randint(1, min(points[point], 3)))
        for kind, number in zip(kinds, EACH_TURN, strict=True)
        for point in chance.sample(sorted(kind), min(number, len(kind)))
    ]


@pytest.mark.parametrize("turn", range(TURNS))
def test_exits_between_statements_keep_the_promises(ward: Ward, points: Counter[Point], turn: int) -> None:
    """Each scheduler dies on fresh work, beside the wrecks of those before it; one more then takes over."""
    print(f"JOBSITE_TEST_SEED={SEED}")
    wanted = sample(points, turn)
    for point in wanted:
        ward.die_at(point)
    assert len(ward.deaths) >= len(wanted) / 2, "what was recorded is not what happens"
    verdict = ward.take_over()
    assert verdict.violations == []
    assert verdict.states["succeeded"] > 0
