"""A seeded sample of what benchmarks/times.py --all compares: every kind of zone, schedule and policy."""

from __future__ import annotations

from benchmarks import times


def test_no_difference_from_cronsim_and_the_walk() -> None:
    counts = times.compare(seed=2026, most=400)
    assert counts["walk"] > 5_000
    assert counts["cronsim"] > 2_500
    assert len(times.changing_zones()) > 100
