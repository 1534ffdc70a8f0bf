"""What becomes of instants that have come due: every policy, short and long outages (pain 16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduling import triggers
from scheduling.models import Reason, Task
from scheduling.services import misfire

DUE = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def decide(
    now: datetime, policy: str = Task.Misfire.RUN_LATEST, *, grace: int = 300, limit: int = 100
) -> misfire.Decision:
    trigger = triggers.build("cron", {"expression": "* * * * *"}, zone="UTC")
    return misfire.decide(trigger, DUE, now, policy=policy, grace_seconds=grace, catch_up_limit=limit)


@pytest.mark.parametrize("policy", Task.Misfire.values)
def test_one_due_instant_runs_under_every_policy(policy: str) -> None:
    decision = decide(DUE + timedelta(seconds=1), policy)
    assert decision == misfire.Decision([DUE], None, DUE + MINUTE)


def test_run_latest_merges_the_older_ones_into_one_row() -> None:
    decision = decide(DUE + 3 * MINUTE)
    assert decision.run == [DUE + 3 * MINUTE]
    assert decision.missed == misfire.Missed(DUE, DUE + 2 * MINUTE, 3, Reason.COALESCED)
    assert decision.next_time == DUE + 4 * MINUTE


def test_run_latest_runs_the_newest_whatever_its_age() -> None:
    trigger = triggers.build("date", {"run_date": DUE.isoformat()}, zone="UTC")
    decision = misfire.decide(
        trigger, DUE, DUE + timedelta(days=400), policy="run_latest", grace_seconds=1, catch_up_limit=1
    )
    assert decision == misfire.Decision([DUE], None, None)


def test_skip_gives_up_the_newest_when_it_is_too_late() -> None:
    trigger = triggers.build("cron", {"expression": "0 * * * *"}, zone="UTC")
    now = DUE + timedelta(hours=2, seconds=301)
    decision = misfire.decide(trigger, DUE, now, policy="skip", grace_seconds=300, catch_up_limit=100)
    assert decision.run == []
    assert decision.missed == misfire.Missed(DUE, DUE + timedelta(hours=2), 3, Reason.LATE)


def test_skip_runs_the_newest_within_the_grace_time() -> None:
    decision = decide(DUE + timedelta(seconds=30), Task.Misfire.SKIP, grace=30)
    assert decision.run == [DUE]
    assert decision.missed is None


def test_run_all_runs_the_newest_ones_oldest_first() -> None:
    decision = decide(DUE + 4 * MINUTE, Task.Misfire.RUN_ALL, limit=3)
    assert decision.run == [DUE + 2 * MINUTE, DUE + 3 * MINUTE, DUE + 4 * MINUTE]
    assert decision.missed == misfire.Missed(DUE, DUE + MINUTE, 2, Reason.OVER_LIMIT)


@pytest.mark.parametrize("policy", Task.Misfire.values)
@pytest.mark.parametrize("minutes", [99, 100, 101, 102, 1_440, 525_600])
def test_every_instant_of_an_outage_runs_or_lies_in_the_missed_range(policy: str, minutes: int) -> None:
    """P3, with no more than a bounded walk however long the outage was."""
    now = DUE + minutes * MINUTE
    decision = decide(now, policy, grace=60)
    oldest_run = decision.run[0]
    assert decision.run[-1] == now
    assert decision.run == [oldest_run + step * MINUTE for step in range(len(decision.run))]
    assert decision.missed is not None or oldest_run == DUE
    if decision.missed:
        assert decision.missed.first == DUE
        assert decision.missed.last == oldest_run - MINUTE
        assert decision.missed.count in (None, int((oldest_run - DUE) / MINUTE))
    assert decision.next_time == now + MINUTE


def test_a_date_that_has_passed_has_no_next_time() -> None:
    trigger = triggers.build("date", {"run_date": DUE.isoformat()}, zone="UTC")
    decision = misfire.decide(trigger, DUE, DUE, policy="run_latest", grace_seconds=300, catch_up_limit=100)
    assert decision == misfire.Decision([DUE], None, None)
