"""The forecasts that this process has computed lately, and the one that it is computing."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connections
from django.db.models import Count, Max, Sum

from scheduling import clock
from scheduling.models import Calendar, Pool, Task
from scheduling.services.forecast import computing
from scheduling.services.forecast.values import DAY, WEEK, Forecast
from scheduling.services.repair import AT_REST

#: A forecast is used again for so long; an older one is shown while a new one is computed, up to the second time.
KEPT, SHOWN = timedelta(minutes=5), timedelta(hours=1)
#: For so many seconds pages believe that nothing has changed: the form of a task asks with every key.
BELIEVED = 2.0
#: Up to so many tasks nobody is kept waiting: it is computed at once.
AT_ONCE = 500


@dataclass(slots=True)
class Progress:
    """How far a computation is."""

    done: int = 0  # tasks
    total: int = 0


@dataclass(frozen=True, slots=True)
class _Kept:
    state: object
    forecast: Forecast

    def is_fresh(self, state: object, now: datetime) -> bool:
        return self.state == state and self.age(now) < KEPT

    def age(self, now: datetime) -> timedelta:
        return abs(now - self.forecast.as_of)


class _Memory:
    def __init__(self) -> None:
        self.lock = threading.Lock()  # for the dictionaries; never held while something is computed
        self.kept: dict[int, _Kept] = {}
        self.computing: dict[int, Progress] = {}
        self.state: tuple[float, object] = (0.0, None)  # believed until, monotonic; what
        self.turns: dict[int, threading.Lock] = defaultdict(
            threading.Lock
        )  # one computes, the others wait for it


_memory = _Memory()


def forget() -> None:
    """Drops what was computed (tests)."""
    with _memory.lock:
        _memory.kept.clear()
        _memory.computing.clear()
        _memory.state = (0.0, None)
    computing.forget()


def of_hours(hours: int = DAY) -> Forecast:
    """The next ``hours`` (1 to 168) from the present minute on; waits for it, seconds with ten thousand tasks.

    Few queries, none of them over all of history.
    """
    hours = min(max(hours, 1), WEEK)
    with _memory.lock:
        turn = _memory.turns[hours]
    with turn:
        now, state = clock.now(), _state()
        kept = _memory.kept.get(hours)
        if kept is not None and kept.is_fresh(state, now):
            return kept.forecast
        told = Progress()
        with _memory.lock:
            _memory.computing[hours] = told
        try:
            found = computing.compute(now.replace(second=0, microsecond=0), hours * 60, now, told)
            with _memory.lock:
                _memory.kept[hours] = _Kept(state, found)
            return found
        finally:
            with _memory.lock:
                _memory.computing.pop(hours, None)


def at_hand(hours: int = DAY) -> Forecast | None:
    """The same without waiting for long: with many tasks it is computed in the background, and meanwhile
    an older one is given, or None."""
    now, kept = clock.now(), _memory.kept.get(hours)
    if kept is not None and kept.is_fresh(_state_lately(), now):
        return kept.forecast
    if Task.objects.present().count() <= AT_ONCE:
        return of_hours(hours)
    with _memory.lock:
        if hours not in _memory.computing:
            _memory.computing[hours] = Progress()
            threading.Thread(
                target=_in_background, args=(hours,), name=f"forecast-{hours}", daemon=True
            ).start()
    return kept.forecast if kept is not None and kept.age(now) < SHOWN else None


def progress(hours: int) -> Progress | None:
    """How far the computation is that runs now; None: none does."""
    with _memory.lock:
        return _memory.computing.get(hours)


def _in_background(hours: int) -> None:
    try:
        of_hours(hours)
    finally:
        connections.close_all()  # this thread's own
        with _memory.lock:
            _memory.computing.pop(hours, None)


def _state_lately() -> object:
    until, state = _memory.state
    if time.monotonic() >= until:
        state = _state()
        _memory.state = (time.monotonic() + BELIEVED, state)
    return state


def _state() -> object:
    """What a forecast depends on: it changes with every change of a task, a calendar, a pool or a group."""
    tasks = Task.objects.present().aggregate(Count("id"), Sum("version"), Max("updated_at"))
    at_rest = Task.objects.present().filter(AT_REST).count()
    calendars = Calendar.objects.aggregate(Count("id"), Sum("version"))
    pools = tuple(Pool.objects.order_by("id").values_list("id", "capacity"))
    return (*tasks.values(), at_rest, *calendars.values(), pools)
