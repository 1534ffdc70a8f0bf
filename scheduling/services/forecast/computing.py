"""How a forecast is computed."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Protocol

from django.conf import settings
from django.db.models import Count, Max, Q
from django.utils.module_loading import import_string

from scheduling.models import Execution, Pool, State, Task
from scheduling.services import durations
from scheduling.services.forecast.values import Collision, Forecast, Series, Share
from scheduling.services.plans import Plan, plans
from scheduling.services.repair import AT_REST
from scheduling.triggers.density import MINUTE, minutes

#: The newest executions, by id, whose durations count.
MEASURED = 200_000
#: What a run is taken to last whose task has not succeeded among them, in milliseconds.
UNMEASURED_MS = 1_000
#: Durations are used again for so long.
MEASURED_AGAIN = timedelta(minutes=30)
BATCH = 500
#: Runs in one minute that make a collision; how many collisions, and tasks of each, are listed.
CROWD, LISTED, NAMED = 10, 20, 10
#: Hosts that get a series, the busiest first.
MOST_HOSTS = 200

#: A function's name and parameters → the database hosts that a run of it visits.
HostsOf = Callable[[str, Mapping[str, Any]], Iterable[str]]


class Told(Protocol):
    """Is told how far the computation is, in tasks."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Kind:
    """What runs have in common that are counted together. Lengths in minutes: of half of them, of all but one in 20."""

    queue: str
    pool: str
    weight: int
    p50: float
    p95: float


class _Measured:
    """What was measured lately: p50 and p95 in milliseconds by task, and when."""

    known: tuple[datetime, dict[int, tuple[int, int]]] | None = None


def forget() -> None:
    """Drops what was measured (tests)."""
    _Measured.known = None


def compute(begin: datetime, count: int, now: datetime, told: Told) -> Forecast:
    """The forecast for ``count`` minutes from ``begin`` (a whole minute, UTC) on."""
    pools = {pool.pk: pool for pool in Pool.objects.all()}
    measured, hosts_of = _durations(now), _hosts_of()
    starts: dict[Kind, list[int]] = defaultdict(lambda: [0] * count)
    shares: dict[int, Share] = {}
    kinds: dict[int, Kind] = {}
    broken: list[str] = []
    unmeasured = 0
    for plan in _active(told):
        told.done += 1
        try:
            found, each = minutes(plan.times, begin, count)
        except Exception:  # noqa: BLE001  one task's trigger, possibly a third party's, must not stop the others
            broken.append(plan.key)
            continue
        unmeasured += plan.id not in measured
        p50, p95 = measured.get(plan.id, (UNMEASURED_MS, UNMEASURED_MS))
        pool = pools.get(plan.pool_id or 0)
        kind = Kind(plan.queue, pool.key if pool else "", plan.weight, _length(p50), _length(p95))
        of_kind = starts[kind]
        for minute in found:
            of_kind[minute] += each
        kinds[plan.id] = kind
        parameters = plan.parameters if isinstance(plan.parameters, dict) else {}
        shares[plan.id] = Share(
            plan.id, plan.key, kind.queue, kind.pool, kind.weight,
            tuple(dict.fromkeys(hosts_of(plan.function, parameters))), array("H", sorted(found)), each,
        )  # fmt: skip
    total = _Sum(count)
    queues: dict[str, _Sum] = defaultdict(lambda: _Sum(count))
    by_pool: dict[str, _Sum] = defaultdict(lambda: _Sum(count))
    for kind, numbers in starts.items():
        total.add(enumerate(numbers), 1, kind)
        queues[kind.queue].add(enumerate(numbers), 1, kind)
        if kind.pool:
            by_pool[kind.pool].add(enumerate(numbers), 1, kind, kind.weight)
    capacities = {pool.key: pool.capacity for pool in pools.values()}
    summed = total.series("")
    hosts, left_out = _hosts(shares.values(), kinds, count)
    return Forecast(
        begin=begin,
        count=count,
        as_of=now,
        total=summed,
        queues={name: found.series(name) for name, found in queues.items()},
        pools={name: found.series(name, capacities[name]) for name, found in by_pool.items()},
        hosts=hosts,
        hosts_left_out=left_out,
        collisions=_collisions(begin, summed.starts, shares.values()),
        shares=shares,
        unmeasured=unmeasured,
        broken=broken,
    )


class _Sum:
    """A series while it is added up. Seats are kept as what changes from one minute to the next."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.starts = [0] * count
        self.p50, self.p95 = [0.0] * (count + 1), [0.0] * (count + 1)

    def add(self, runs: Iterable[tuple[int, int]], each: int, kind: Kind, seats: int = 1) -> None:
        """Adds runs: a minute and how many begin at it, ``each`` times."""
        for minute, number in runs:
            if not number:
                continue
            self.starts[minute] += number * each
            for change, length in ((self.p50, kind.p50), (self.p95, kind.p95)):
                whole = int(length)
                taken = number * each * seats
                last = minute + whole  # the minute that the run fills in part
                part = taken * (length - whole)
                if whole:
                    change[minute] += taken
                    change[min(last, self.count)] += part - taken
                else:
                    change[minute] += part
                change[min(last + 1, self.count)] -= part

    def series(self, name: str, capacity: int | None = None) -> Series:
        # Rounded: what adding and taking away of fractions leaves over would count as a seat too many.
        busy = [
            array("d", [round(seats, 6) for seats in accumulate(change[:-1])])
            for change in (self.p50, self.p95)
        ]
        return Series(name, array("L", self.starts), busy[0], busy[1], capacity)


def _hosts(shares: Iterable[Share], kinds: Mapping[int, Kind], count: int) -> tuple[dict[str, Series], int]:
    """A series for each of the busiest hosts, and how many others there are."""
    by_host: dict[str, list[Share]] = defaultdict(list)
    for share in shares:
        for name in share.hosts:
            by_host[name].append(share)
    runs = {name: sum(share.runs(0, count) for share in found) for name, found in by_host.items()}
    busiest = sorted(runs, key=lambda name: (-runs[name], name))[:MOST_HOSTS]
    series: dict[str, Series] = {}
    for name in busiest:
        summed = _Sum(count)
        for share in by_host[name]:
            summed.add(((minute, 1) for minute in share.minutes), share.each, kinds[share.task_id])
        series[name] = summed.series(name)
    return series, len(runs) - len(busiest)


def _hosts_of() -> HostsOf:
    """Who knows which database hosts a run visits: SCHEDULER["hosts"] names what makes the answer, asked once."""
    path = settings.SCHEDULER.get("hosts", "")
    if not path:
        return lambda _function, _parameters: ()
    made: HostsOf = import_string(path)()
    return made


def _length(milliseconds: int) -> float:
    """Minutes, rounded to steps of a quarter of an e-fold, so that many tasks can be counted together."""
    return math.exp(round(4 * math.log(max(milliseconds, 1))) / 4) / 60_000


def _active(told: Told) -> Iterator[Plan]:
    """The plans of all tasks that are not at rest."""
    rows = Task.objects.present().exclude(AT_REST).exclude(Q(trigger="manual"))
    ids = list(rows.order_by("pk").values_list("pk", flat=True))
    told.total = len(ids)
    for start in range(0, len(ids), BATCH):
        yield from plans.read(ids[start : start + BATCH]).values()


def _durations(now: datetime) -> dict[int, tuple[int, int]]:
    """p50 and p95, in milliseconds, of the tasks that have succeeded among the newest executions."""
    if _Measured.known is not None and abs(now - _Measured.known[0]) < MEASURED_AGAIN:
        return _Measured.known[1]
    newest = Execution.objects.aggregate(newest=Max("id"))["newest"] or 0
    rows = (
        Execution.objects.filter(pk__gt=newest - MEASURED, state=State.SUCCEEDED, run_ms__isnull=False)
        .order_by()
        .annotate(bucket=durations.bucket_of("run_ms"))
        .values_list("task_id", "bucket")
        .annotate(number=Count("id"))
    )
    buckets: dict[int, dict[int, int]] = defaultdict(dict)
    for task_id, bucket, number in rows:
        buckets[task_id][bucket] = number
    found = {
        task_id: (durations.percentile(each, 0.5) or 0, durations.percentile(each, 0.95) or 0)
        for task_id, each in buckets.items()
    }
    _Measured.known = now, found
    return found


def _collisions(begin: datetime, starts: Sequence[int], shares: Iterable[Share]) -> list[Collision]:
    """The fullest minutes, in order of time."""
    crowded = [minute for minute, number in enumerate(starts) if number >= CROWD]
    fullest = sorted(sorted(crowded, key=lambda minute: (-starts[minute], minute))[:LISTED])
    keys: dict[int, list[str]] = {minute: [] for minute in fullest}
    for share in shares:
        for minute, found in keys.items():
            if share.runs(minute, minute + 1):
                found.append(share.key)
    return [
        Collision(begin + minute * MINUTE, starts[minute], found[:NAMED], max(0, len(found) - NAMED))
        for minute, found in keys.items()
    ]
