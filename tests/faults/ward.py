"""One fail point after the other: work is laid out, a scheduler dies at it, another takes over, the checker judges."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from scheduling import clock
from scheduling.models import Node as NodeRow
from tests.faults import checker
from tests.faults.checker import Verdict
from tests.faults.failpoints import EXIT_CODE, Point
from tests.faults.nursery import LEASE_SECONDS, Node, Nursery
from tests.faults.world import World, settled

#: P5: so long after the lease a dead node's runs are lost, at the latest.
RESCUE_SECONDS = 5
PATIENCE_SECONDS = 60


@dataclass
class Ward:
    """On an empty database. ``deaths`` are the points at which schedulers did die."""

    nursery: Nursery
    deaths: list[Point] = field(default_factory=list)
    spared: list[Point] = field(default_factory=list)  # points that their process did not come by

    def __post_init__(self) -> None:
        self.begin_again()

    def begin_again(self) -> None:
        """Forgets what was, as the database has."""
        lines = self.nursery.scratch / f"lines-{time.monotonic_ns()}"
        self.world = World(lines, self.nursery.var)
        self.deaths.clear()
        self.spared.clear()

    def record(self) -> Path:
        """A file of the steps that an undisturbed scheduler comes by, from its start to its end."""
        self.world.lay_out()
        file = self.nursery.folder / f"steps-{time.monotonic_ns()}"
        node = self.nursery.start(records_to=file)
        self._await_settled(node)
        verdict = self._judge(node)
        if verdict.violations:
            raise AssertionError(f"without any fault: {verdict.violations}")
        return file

    def die_at(self, point: Point) -> bool:
        """Whether a scheduler that was to die there, on fresh work, did so. One that is spared is asked to stop."""
        self.world.lay_out()
        node = self.nursery.start(dies_at=point)
        end = time.monotonic() + PATIENCE_SECONDS
        while node.exit_code is None and not settled():
            if time.monotonic() > end:
                break
            node.wait(0.05)
        node.stop()
        died = node.exit_code == EXIT_CODE
        (self.deaths if died else self.spared).append(point)
        if not died and node.exit_code != 0:
            raise AssertionError(
                f"exit code {node.exit_code} instead of a death {point}:\n{node.said()[-3000:]}"
            )
        return died

    def take_over(self) -> Verdict:
        """A scheduler that nobody hinders ends what the others have left; what the checker says of all of it."""
        node = self.nursery.start()
        end = time.monotonic() + PATIENCE_SECONDS
        while "scheduler started" not in node.said() and time.monotonic() < end:
            node.wait(0.05)
        watching_since = clock.refresh()
        self._await_settled(node)
        verdict = self._judge(node)
        _rescued_in_time(watching_since, verdict)
        return verdict

    def _await_settled(self, node: Node) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not settled() and time.monotonic() < end:
            if node.wait(0.05) is not None:
                raise AssertionError(f"ended with {node.exit_code}:\n{node.said()[-3000:]}")

    def _judge(self, node: Node) -> Verdict:
        until = clock.refresh()
        verdict = Verdict()
        checker.examine(verdict, leave_out=["functions", *checker.TIMED])  # one schedule is broken on purpose
        code = node.stop()
        if code != 0:
            verdict.blame("P5", f"the last scheduler ended with {code}")
        return checker.judge(self.world.lines, until=until, verdict=verdict)


def _rescued_in_time(watching_since: datetime, verdict: Verdict) -> None:
    """P5, by the rows: who had died was found out within lease and five seconds of somebody's watching."""
    for dead in NodeRow.objects.filter(state=NodeRow.State.DEAD, ended_at__gt=watching_since):
        took = (dead.ended_at - watching_since).total_seconds()
        if took > LEASE_SECONDS + RESCUE_SECONDS:
            verdict.blame("P5", f"node {dead} was found dead after {took:.1f} s")
