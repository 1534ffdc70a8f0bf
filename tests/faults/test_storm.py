"""P1 to P5, pains 1, 6, 8, 11, 12, 14, 24, 27, 41, 44 and 45: everything goes wrong at once, and every promise holds.

One seed, and short; ``benchmarks/faults.py --seeds N`` runs as many as one likes, for as long.
"""

from __future__ import annotations

import os
import random

import pytest
from django.db import connection

from tests.faults.nursery import Nursery
from tests.faults.storm import Plan, Storm

pytestmark = pytest.mark.processes

SECONDS = 5


def test_a_storm_of_faults_keeps_the_promises(nursery: Nursery, transactional_db: None) -> None:
    """Deaths, frozen nodes, ended sessions, held locks, restarts, and people who change things all the while."""
    seed = int(os.environ.get("JOBSITE_TEST_SEED", random.randrange(10**6)))
    plan = Plan.draw(seed, connection.vendor, SECONDS)
    print(f"JOBSITE_TEST_SEED={seed}: {plan}")
    storm = Storm(nursery, plan, SECONDS)
    try:
        verdict = storm.run()
    finally:
        nursery.kill_all()
    print(verdict)
    assert verdict.violations == []
    assert verdict.states["succeeded"] > 10


def test_a_seed_repeats_its_choices() -> None:
    """And another seed makes other ones."""
    assert Plan.draw(7, "mysql") == Plan.draw(7, "mysql") != Plan.draw(8, "mysql")
    assert "cut" not in {event.what for event in Plan.draw(7, "sqlite").events}
