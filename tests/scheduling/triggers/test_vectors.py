"""Times that are known to be right, from other evaluators or worked out by hand (vectors.txt says which)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduling import triggers

LINES = (Path(__file__).parent / "vectors.txt").read_text().splitlines()
VECTORS = [tuple(line.split(" | ")) for line in LINES if not line.startswith("#")]


def test_there_are_enough() -> None:
    assert len(VECTORS) >= 120
    assert len(set(VECTORS)) == len(VECTORS)


@pytest.mark.parametrize("vector", VECTORS, ids=[" ".join(vector[:4]) for vector in VECTORS])
def test_vector(vector: tuple[str, ...]) -> None:
    dialect, expression, zone, policies, after_text, times = vector
    gap, fold = policies.split()
    params = {"dialect": dialect, "expression": expression}
    trigger = triggers.build("cron", params, zone=zone, gap=gap, fold=fold)
    expected = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in times.split()]
    after = datetime.fromisoformat(after_text).replace(tzinfo=UTC)
    assert trigger.between(after, datetime(2200, 1, 1, tzinfo=UTC), len(expected)) == expected
    for earlier, later in zip([after, *expected], expected, strict=False):
        assert trigger.latest(later, after) == later
        if earlier > after:
            assert trigger.latest(later - timedelta(seconds=1), after) == earlier
