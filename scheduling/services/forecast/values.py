"""What a forecast consists of."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scheduling.triggers.density import MINUTE

DAY, WEEK = 24, 7 * 24
HOURS = (DAY, WEEK)
#: What series are of.
KINDS = ("total", "queue", "pool", "host")


@dataclass(slots=True)
class Series:
    """What one queue, pool or database host gets, minute by minute."""

    name: str
    starts: Sequence[int]  # runs that begin
    busy_p50: Sequence[float]  # seats that are taken on average, when runs take as long as half of them do
    busy_p95: Sequence[float]  # when they take as long as all but one in twenty do
    capacity: int | None = None  # of a pool

    @property
    def runs(self) -> int:
        return sum(self.starts)

    @property
    def peak(self) -> float:
        """The most seats that are taken at a time."""
        return max(self.busy_p95, default=0.0)

    @property
    def minutes_over(self) -> int:
        """Minutes in which more seats would be wanted than there are."""
        return 0 if self.capacity is None else sum(busy > self.capacity for busy in self.busy_p95)


@dataclass(frozen=True, slots=True)
class Share:
    """What one task brings."""

    task_id: int
    key: str
    queue: str
    pool: str  # "" without one
    weight: int  # seats of the pool that one run takes
    hosts: tuple[str, ...]  # that a run visits
    minutes: array[int]  # in order; one comes several times where the walk has found several runs in it
    each: int  # runs that each of them stands for

    def runs(self, first: int, last: int) -> int:
        """Runs that begin in the minutes from ``first`` up to, not including, ``last``."""
        return self.each * (bisect_left(self.minutes, last) - bisect_left(self.minutes, first))

    def belongs(self, kind: str, name: str) -> bool:
        """Whether it is part of that series."""
        return {
            "total": True,
            "queue": self.queue == name,
            "pool": self.pool == name,
            "host": name in self.hosts,
        }[kind]


@dataclass(frozen=True, slots=True)
class Collision:
    """A minute in which many runs begin."""

    at: datetime
    runs: int
    tasks: list[str]  # some of their keys
    others: int  # tasks that are not among them


@dataclass(slots=True)
class Forecast:
    begin: datetime  # a whole minute, UTC
    count: int  # minutes
    as_of: datetime
    total: Series
    queues: dict[str, Series]
    pools: dict[str, Series]
    hosts: dict[str, Series]  # the busiest of them
    hosts_left_out: int
    collisions: list[Collision]
    shares: dict[int, Share]  # by the task's id
    unmeasured: int = 0  # tasks that have not succeeded lately: a second is assumed
    broken: list[str] = field(default_factory=list)  # tasks whose schedule cannot be computed

    @property
    def tasks(self) -> int:
        return len(self.shares)

    @property
    def end(self) -> datetime:
        return self.begin + self.count * MINUTE

    def number(self, at: datetime) -> int:
        """The minute of an instant; may lie outside."""
        return (at - self.begin) // MINUTE

    def series(self, kind: str, name: str) -> Series | None:
        if kind == "total":
            return self.total
        return {"queue": self.queues, "pool": self.pools, "host": self.hosts}[kind].get(name)

    def every_series(self) -> Iterator[tuple[str, Series]]:
        """All of them, each with its kind."""
        yield "total", self.total
        for kind, found in (("queue", self.queues), ("pool", self.pools), ("host", self.hosts)):
            yield from ((kind, series) for _name, series in sorted(found.items()))

    def within(self, first: int, last: int, kind: str = "total", name: str = "") -> list[tuple[Share, int]]:
        """The tasks of a series with runs in those minutes, and how many each has: the most first."""
        found = [
            (share, runs)
            for share in self.shares.values()
            if share.belongs(kind, name) and (runs := share.runs(first, last))
        ]
        return sorted(found, key=lambda each: (-each[1], each[0].key))


def summary(forecast: Forecast, *, step: int = 1) -> dict[str, Any]:
    """A forecast in plain JSON values; ``step`` minutes become one: runs are added up, seats are the most of them."""

    def part(series: Series) -> dict[str, Any]:
        places = range(0, forecast.count, step)
        return {
            "name": series.name,
            "runs": series.runs,
            "capacity": series.capacity,
            "minutes_over": series.minutes_over,
            "starts": [sum(series.starts[place : place + step]) for place in places],
            "busy_p50": [round(max(series.busy_p50[place : place + step]), 3) for place in places],
            "busy_p95": [round(max(series.busy_p95[place : place + step]), 3) for place in places],
        }

    return {
        "begin": forecast.begin,
        "as_of": forecast.as_of,
        "minutes": forecast.count,
        "step": step,
        "tasks": forecast.tasks,
        "unmeasured": forecast.unmeasured,
        "broken": forecast.broken,
        "total": part(forecast.total),
        "queues": [part(series) for _name, series in sorted(forecast.queues.items())],
        "pools": [part(series) for _name, series in sorted(forecast.pools.items())],
        "hosts": [part(series) for _name, series in sorted(forecast.hosts.items())],
        "hosts_left_out": forecast.hosts_left_out,
        "collisions": [
            {"at": each.at, "runs": each.runs, "tasks": each.tasks, "others": each.others}
            for each in forecast.collisions
        ],
    }
