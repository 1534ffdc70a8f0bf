"""Everything at once: a town of tasks, one to four schedulers, people who change things, and whatever goes wrong.

What happens, when, and to which of those that are there is drawn from a seed before it begins; so a seed repeats the
same choices. (What they hit depends on who is where at that moment, which no seed decides.)
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import Error, connection, transaction
from django_apscheduler.models import DjangoJob

from scheduling import clock, sql
from scheduling.exceptions import Refused
from scheduling.models import ACTIVE, ENDED, Execution, Pool, Task
from scheduling.models import Node as NodeRow
from scheduling.services import dependencies, executions, tasks
from scheduling.services import nodes as node_services
from tests.conftest import TESTER, new_task
from tests.faults import checker
from tests.faults.checker import Verdict
from tests.faults.failpoints import EXIT_CODE, Point
from tests.faults.nursery import Node, Nursery
from tests.faults.world import BY_HAND, settled

SECONDS = 20.0
#: Faults and changes by people, a second.
FAULTS, CHANGES = 0.8, 3.0
#: As a supervisor would: so long after its end a scheduler is started again.
RESTART_SECONDS = 0.3
LEASE_SECONDS = 2
PACE = {"JOBSITE_LEASE_SECONDS": f"{LEASE_SECONDS}", "JOBSITE_BEAT_SECONDS": "0.5"}
#: How a scheduler may end: asked to, given up by the others, by our hand, or because the database refused its start.
ENDS = {0, 70, EXIT_CODE, -9, 1}

ANYWHERE = ("exit", "kill", "freeze", "restart", "drain", "hold")
#: A server's sessions can be ended from outside.
ON_SERVERS = (*ANYWHERE, "cut")
PEOPLE = (
    "run", "run", "run later", "cancel", "cancel", "try again", "edit", "reschedule", "pause", "resume", "disable",
    "enable",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Event:
    """``at``: seconds from the beginning; ``which`` and ``share`` (0 to 1) say whom it hits, and how hard."""

    at: float
    what: str
    which: int
    share: float


@dataclass(frozen=True)
class Plan:
    nodes: int
    events: list[Event]

    @classmethod
    def draw(cls, seed: int, vendor: str, seconds: float = SECONDS) -> Plan:
        chance = random.Random(seed)
        nodes = chance.randint(1, 4)
        kinds = ANYWHERE if vendor == "sqlite" else ON_SERVERS
        drawn = [kinds] * round(FAULTS * seconds) + [PEOPLE] * round(CHANGES * seconds)
        events = [
            Event(
                chance.uniform(0.5, seconds), chance.choice(words), chance.randrange(10**6), chance.random()
            )
            for words in drawn
        ]
        return cls(nodes, sorted(events))

    def __str__(self) -> str:
        faults = Counter(event.what for event in self.events if event.what not in PEOPLE)
        words = ", ".join(f"{number} {what}" for what, number in sorted(faults.items()))
        return (
            f"{self.nodes} node{'s' * (self.nodes > 1)}; {words}; {len(self.events) - faults.total()} changes"
        )


@dataclass
class Storm:
    """On an empty database. ``run()`` takes about ``seconds`` and what it takes to come to rest again."""

    nursery: Nursery
    plan: Plan
    seconds: float = SECONDS
    refused: int = 0  # changes that were not allowed, or that the faults of the database kept from being made
    ends: Counter[int | None] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.lines = self.nursery.scratch / f"storm-{time.monotonic_ns()}"
        self.slots: list[Node] = []
        self.extra: list[Node] = []
        self.threads: list[threading.Thread] = []
        self.down: dict[int, float] = {}

    def run(self) -> Verdict:
        self._found()
        self.slots = [self.nursery.start() for _ in range(self.plan.nodes)]
        begin = time.monotonic()
        events = list(self.plan.events)
        while (at := time.monotonic() - begin) < self.seconds or events:
            while events and events[0].at <= at:
                self._happen(events.pop(0))
            self._supervise()
            time.sleep(0.02)
        return self._come_to_rest()

    # --- the town

    def _found(self) -> None:
        pool = Pool.objects.create(key="town", capacity=3, tokens_per_minute=240)
        self._every(1, "steady", max_concurrent=0)
        self._every(1, "alone", misfire_policy="run_all", overlap_policy="queue_all", catch_up_limit=5)
        self._every(2, "punctual", misfire_policy="skip", misfire_grace_seconds=1)
        self._task("even", trigger="cron", trigger_params={"expression": "*/2 * * * * *"})
        self._every(1, "again", rerun_if_lost=True, max_concurrent=2)
        self._every(2, "spread", jitter_seconds=2)
        self._every(3, "capped", max_runs=4)
        self._every(1, "pooled", pool=pool, weight=2, overlap_policy="queue_one")
        self._every(1, "light", pool=pool, rerun_if_lost=True)
        nap: dict[str, Any] = {"function": "sleep", "parameters": {"seconds": 1.2}}
        self._every(2, "napping", overlap_policy="queue_one", rerun_if_lost=True, **nap)
        self._every(1, "replacing", overlap_policy="replace", **nap)
        self._every(3, "too-long", timeout_seconds=1, **nap)
        self._every(
            2, "failing", function="fail", parameters={}, retries=2, retry_delay_seconds=1,
            notify_on_failure=["ops@example.org"],
        )  # fmt: skip
        first = self._every(2, "first", rerun_if_lost=True)
        then = self._task("then", overlap_policy="queue_all", **BY_HAND)
        last = self._task("last", overlap_policy="queue_all", **BY_HAND)
        dependencies.save(then.pk, {first.pk: "success"}, actor=TESTER)
        dependencies.save(last.pk, {then.pk: "end"}, actor=TESTER)
        self._task("pruning", function="prune_history", parameters={}, **BY_HAND)

    def _every(self, seconds: int, key: str, **values: Any) -> Task:
        return self._task(key, trigger="interval", trigger_params={"seconds": seconds}, **values)

    def _task(self, key: str, **values: Any) -> Task:
        line = {
            "function": "append_line",
            "parameters": {"path": str(self.lines), "text": "{execution_id} {attempt}"},
        }
        return tasks.create(new_task(key, **line | values), actor=TESTER)

    # --- what happens

    def _happen(self, event: Event) -> None:
        try:
            if event.what in PEOPLE:
                self._change(event)
            else:
                self._go_wrong(event)
        except (Refused, ValidationError, Error):
            self.refused += 1
            connection.close()

    def _go_wrong(self, event: Event) -> None:
        node = self.slots[event.which % len(self.slots)]
        match event.what:
            case "exit":
                turn = 1 + int(event.share * 900)
                self.extra.append(self.nursery.start(dies_at=Point(turn=turn)))
            case "kill":
                node.kill()
            case "freeze":
                self._freeze(node, event.share * 2.5 * LEASE_SECONDS)
            case "restart":
                node.ask_to_stop()
            case "drain":
                live = list(NodeRow.objects.filter(state__in=NodeRow.LIVE).order_by("started_at"))
                if live:
                    node_services.drain(live[event.which % len(live)].pk, actor=TESTER)
            case "hold":
                self._beside(lambda: hold(event))
            case "cut":
                cut_sessions()

    def _freeze(self, node: Node, seconds: float) -> None:
        if node.exit_code is None:
            node.freeze()
            # On a thread of its own: this one may have to wait for a lock that the frozen one holds.
            thaw = threading.Timer(seconds, node.thaw)
            thaw.start()
            self.threads.append(thaw)

    def _beside(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.threads.append(thread)

    def _change(self, event: Event) -> None:
        """What a person does, to one of the tasks or runs that there are."""
        keys = [key for key in Task.objects.order_by("pk").values_list("key", flat=True) if key != "capped"]
        task = Task.objects.get(key=keys[event.which % len(keys)])
        timed = task.trigger == "interval"
        match event.what:
            case "run":
                tasks.run_now(task.pk, actor=TESTER)
            case "run later":
                tasks.run_now(task.pk, actor=TESTER, run_at=clock.now() + timedelta(seconds=3 * event.share))
            case "cancel":
                self._of(ACTIVE, event, lambda id: executions.cancel(id, actor=TESTER))
            case "try again":
                self._of(ENDED, event, lambda id: executions.retry(id, actor=TESTER))
            case "edit":
                task.priority = int(event.share * 10)
                tasks.edit(task, actor=TESTER)
            case "reschedule" if timed:
                task.trigger_params = {"seconds": 1 + int(event.share * 4)}
                tasks.edit(task, actor=TESTER)
            case "pause" | "resume" | "disable" | "enable" if timed:
                getattr(tasks, event.what)(task.pk, actor=TESTER)

    def _of(self, states: tuple[str, ...], event: Event, act: Callable[[int], object]) -> None:
        ids = list(
            Execution.objects.filter(state__in=states).order_by("-pk").values_list("pk", flat=True)[:20]
        )
        if ids:
            act(ids[event.which % len(ids)])

    # --- who keeps it going, and how it ends

    def _supervise(self) -> None:
        now = time.monotonic()
        for place, node in enumerate(self.slots):
            if node.exit_code is None:
                continue
            if place not in self.down:
                self.down[place] = now + RESTART_SECONDS
            elif now >= self.down[place]:
                del self.down[place]
                self.ends[node.exit_code] += 1
                self.slots[place] = self.nursery.start()

    def _come_to_rest(self) -> Verdict:
        """Faults end, schedules end, all schedulers but a fresh one are asked to stop; then the checker judges."""
        for thread in self.threads:
            thread.join(30)
        verdict = Verdict()
        survivor = self.nursery.start()
        for task in Task.objects.exclude(trigger="manual").order_by("pk"):
            self._end(task)
        for node in [*self.slots, *self.extra]:
            node.ask_to_stop()
        for node in [*self.slots, *self.extra]:
            if node.wait(60) is None:
                verdict.blame("P5", f"a scheduler did not end when it was asked to:\n{node.said()[-2000:]}")
                node.kill()
            self.ends[node.exit_code] += 1
        for code in self.ends.keys() - ENDS:
            verdict.blame("P5", f"a scheduler ended with {code}")
        end = time.monotonic() + 60
        while not settled() and time.monotonic() < end:
            if survivor.wait(0.1) is not None:
                verdict.blame(
                    "P5", f"the last scheduler ended with {survivor.exit_code}:\n{survivor.said()[-2000:]}"
                )
                break
        until = clock.refresh()
        checker.examine(verdict, leave_out=checker.TIMED)
        if survivor.stop() != 0:
            verdict.blame("P5", f"the last scheduler ended with {survivor.exit_code}")
        return checker.judge(self.lines, until=until, verdict=verdict)

    def _end(self, task: Task) -> None:
        """Its schedule ends now; what waits has to come to its end by itself."""
        if task.paused:
            task = tasks.resume(task.pk, actor=TESTER)
        task.end_at = clock.refresh()
        tasks.edit(task, actor=TESTER, allow_past=True)


# --- faults of the database -------------------------------------------------------------------------------


def hold(event: Event) -> None:
    """Another program locks what the engine needs, table after table in any order: lock timeouts and deadlocks.

    On SQLite: it holds the one writer's lock.
    """
    seconds = 0.2 + event.share * 4
    chance = random.Random(event.which)
    tables = [DjangoJob.objects, NodeRow.objects, Pool.objects, Execution.objects.filter(state__in=ACTIVE)]
    chosen = chance.sample(tables, 2)
    try:
        sql.prepare_engine_session()
        with transaction.atomic():
            for rows in chosen:
                if connection.vendor != "sqlite":
                    list(rows.select_for_update().order_by("-pk").values_list("pk", flat=True))
                time.sleep(seconds / len(chosen))  # the fault itself
    except Error:
        pass  # it was this one that the database chose to give up
    finally:
        connection.close()


def cut_sessions() -> None:
    """The server ends all sessions on this database but this one."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
        for (id,) in cursor.fetchall():
            with contextlib.suppress(Error):  # it has ended by itself
                cursor.execute(f"KILL {int(id)}")
