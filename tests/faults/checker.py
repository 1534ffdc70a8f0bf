"""Reads rows and the lines that runs have left, after whatever has happened, and says which promise they break.

It shares nothing with the engine but the tables: what was due it works out itself, from the versions of each task.
Tests, the fail points and ``benchmarks/faults.py`` all end here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Count

from scheduling import clock
from scheduling.models import ACTIVE, Attempt, Dependency, Execution, Node, State, Task, TaskVersion
from scheduling.services import doctor

#: The doctor's examinations that ask whether beats are fresh: with leases as short as here a busy machine's are not.
TIMED = ("nodes",)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER_BEGAN = {State.SKIPPED, State.MISSED}
MAY_HAVE_RUN = {State.SUCCEEDED, State.LOST, State.CANCELLED, State.TIMED_OUT}


@dataclass
class Verdict:
    """What was looked at, and each violation as "P2: …"."""

    violations: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    due: int = 0  # occurrences that the checker has worked out

    def blame(self, promise: str, what: str) -> None:
        self.violations.append(f"{promise}: {what}")

    def __str__(self) -> str:
        states = ", ".join(f"{number} {state}" for state, number in sorted(self.states.items()))
        return f"{self.due} due, {sum(self.states.values())} rows ({states}), {self.lines} lines"


def judge(lines: Path, *, until: datetime, verdict: Verdict | None = None) -> Verdict:
    """Everything that can be said of the present database; ``until``: occurrences due later are not asked for."""
    verdict = verdict or Verdict()
    rows = list(Execution.objects.order_by("id"))
    verdict.states.update(row.state for row in rows)
    _rows_are_single(verdict)
    _all_have_ended(rows, verdict)
    _attempts_take_turns(rows, _read(lines), verdict)
    _nothing_due_has_vanished(rows, until, verdict)
    _dependents_ran_once(rows, verdict)
    _nobody_alive_was_given_up(rows, verdict)
    return verdict


def _read(lines: Path) -> list[tuple[int, int]]:
    """The (execution, attempt) of each line."""
    text = lines.read_text() if lines.exists() else ""
    return [(int(execution), int(attempt)) for execution, attempt in map(str.split, text.splitlines())]


def _rows_are_single(verdict: Verdict) -> None:
    """P1, by the database's own count and without the constraint's help."""
    several = (
        Execution.objects.order_by()
        .values_list("task_id", "scheduled_for", "slot")
        .annotate(number=Count("id"))
        .filter(number__gt=1)
    )
    for task_id, at, slot, number in several:
        verdict.blame("P1", f"task {task_id} at {at} {slot!r} has {number} rows")


def _all_have_ended(rows: list[Execution], verdict: Verdict) -> None:
    """P3. That an end has its time and its reason the database itself sees to."""
    for row in rows:
        if row.state in ACTIVE:
            verdict.blame("P3", f"#{row.pk} ({row.task_key}) is {row.state} ({row.reason}) for ever")


def _nobody_alive_was_given_up(rows: list[Execution], verdict: Verdict) -> None:
    """P5: what is lost was run by a node that has ended."""
    ended = set(Node.objects.exclude(state__in=Node.LIVE).values_list("pk", flat=True))
    for row in rows:
        if row.state == State.LOST and row.node_id not in ended:
            verdict.blame("P5", f"#{row.pk} ({row.task_key}) is lost, and its node {row.node_id} lives")


def _attempts_take_turns(rows: list[Execution], lines: list[tuple[int, int]], verdict: Verdict) -> None:
    """P2 and P4: one attempt at a time records, each that ran left one line, and only what may run again did."""
    verdict.lines = len(lines)
    for key, times in Counter(lines).items():
        if times > 1:
            verdict.blame("P2", f"attempt {key[1]} at #{key[0]} ran {times} times")
    ran: dict[int, list[int]] = defaultdict(list)
    for execution, attempt in sorted(set(lines)):
        ran[execution].append(attempt)
    kept: dict[int, dict[int, Attempt]] = defaultdict(dict)
    for attempt_row in Attempt.objects.all():
        kept[attempt_row.execution_id][attempt_row.attempt] = attempt_row
    again = set(Task.objects.filter(rerun_if_lost=True).values_list("pk", flat=True))
    known = {row.pk: row for row in rows}
    for execution in ran.keys() - known.keys():
        verdict.blame("P3", f"#{execution} ran and has no row")
    for id, row in known.items():
        name = f"#{id} ({row.task_key})"
        if row.state == State.SUCCEEDED and row.function == "append_line" and row.attempt not in ran[id]:
            verdict.blame("P2", f"{name} says that attempt {row.attempt} succeeded, which left no line")
        for attempt, note in kept[id].items():
            # One that waited to be tried again, and was cancelled before it was, keeps its last attempt's note.
            told_twice = attempt == row.attempt and note.late_at is None and row.state != State.CANCELLED
            if attempt > row.attempt or told_twice:
                verdict.blame(
                    "P2", f"{name}: attempt {attempt} is kept beside the row, which is at {row.attempt}"
                )
        for attempt in ran[id]:
            if attempt > row.attempt:
                verdict.blame("P2", f"{name}: attempt {attempt} ran, but the row is at {row.attempt}")
            elif attempt == row.attempt:
                if row.state not in MAY_HAVE_RUN:
                    verdict.blame("P3", f"{name}: attempt {attempt} ran, but the row is {row.state}")
            elif attempt not in kept[id]:
                verdict.blame("P2", f"{name}: attempt {attempt} ran, was superseded, and is not kept")
            elif kept[id][attempt].state == State.LOST and row.task_id not in again:
                verdict.blame("P4", f"{name}: attempt {attempt} was lost, and it ran again unasked")


# --- what was due -----------------------------------------------------------------------------------------


def _nothing_due_has_vanished(rows: list[Execution], until: datetime, verdict: Verdict) -> None:
    """P1 and P3: what was due and what has a row, or lies in the range of a missed one, are the same, once each."""
    scheduled: dict[int, list[Execution]] = defaultdict(list)
    for row in rows:
        if row.origin == "schedule":
            scheduled[row.task_id].append(row)
    versions: dict[int, list[TaskVersion]] = defaultdict(list)
    for version in TaskVersion.objects.order_by("version"):
        versions[version.task_id].append(version)
    for task in Task.objects.order_by("pk"):
        if task.schedule_error or task.follows_end:
            continue  # it says itself why there is none; when a run will end nobody can work out
        stretches = _stretches(task, versions[task.pk], until)
        due = {at for stretch in stretches for at in _instants(stretch)}
        verdict.due += len(due)
        told: Counter[datetime] = Counter()
        for row in scheduled[task.pk]:
            covered = {row.scheduled_for}
            if row.state == State.MISSED:
                assert row.covers_until is not None
                covered |= {at for at in due if row.scheduled_for <= at <= row.covers_until}
                if row.covers_count is not None and row.covers_count != len(covered):
                    verdict.blame(
                        "P3",
                        f"#{row.pk} ({task.key}) counts {row.covers_count} missed, there were {len(covered)}",
                    )
            told.update(covered)
        for at in sorted(told):
            if told[at] > 1:
                verdict.blame("P1", f"{task.key} at {at} is told of {told[at]} times")
        if task.max_runs is None:
            for at in sorted(due - told.keys()):
                verdict.blame("P3", f"{task.key} was due at {at}, of which nothing is told")
        elif sum(row.state not in NEVER_BEGAN for row in scheduled[task.pk]) > task.max_runs:
            verdict.blame("P3", f"{task.key} ran more than {task.max_runs} times")
        for at in sorted(told.keys() - due):
            verdict.blame("P7", f"{task.key} was not due at {at}, of which something is told")


@dataclass(frozen=True)
class Stretch:
    """Between two changes of a task: from ``after`` (excluded) to ``until`` (included)."""

    after: datetime
    until: datetime
    trigger: str
    params: Any
    anchor: datetime


def _stretches(task: Task, versions: list[TaskVersion], until: datetime) -> Iterator[Stretch]:
    """When the task was in force, and how; from its versions, or as it is when it has none (tests that make many)."""
    if not versions:
        yield Stretch(EPOCH, until, task.trigger, task.trigger_params, task.anchor_at)
        return
    anchor = versions[0].at
    paused = False
    for version, following in zip(versions, [*versions[1:], None], strict=True):
        if version.verb == TaskVersion.Verb.CREATE or not version.changes.keys().isdisjoint(Task.SCHEDULE):
            anchor = version.at
        if version.verb in (TaskVersion.Verb.PAUSE, TaskVersion.Verb.RESUME):
            paused = version.verb == TaskVersion.Verb.PAUSE
        words = version.definition
        if words["enabled"] and not paused and version.verb != TaskVersion.Verb.DELETE:
            end = following.at if following else until
            if words["end_at"]:
                end = min(end, datetime.fromisoformat(words["end_at"]))
            yield Stretch(version.at, end, words["trigger"], words["trigger_params"], anchor)


def _instants(stretch: Stretch) -> Iterable[datetime]:
    """By plain arithmetic, for the schedules that the tests use."""
    match stretch.trigger, stretch.params:
        case "manual", _:
            return
        case "date", {"run_date": text}:
            at = datetime.fromisoformat(text)
            if stretch.after < at <= stretch.until:
                yield at
        case "interval", {"seconds": seconds}:
            yield from _multiples(stretch, stretch.anchor, seconds)
        case "cron", {"expression": "* * * * * *"}:
            yield from _multiples(stretch, EPOCH, 1)
        case "cron", {"expression": text} if text.startswith("*/") and text.endswith(" * * * * *"):
            yield from _multiples(stretch, EPOCH, int(text.split()[0][2:]))
        case _:
            raise NotImplementedError(f"the checker knows no schedule such as {stretch}")


def _multiples(stretch: Stretch, anchor: datetime, seconds: int) -> Iterator[datetime]:
    step = timedelta(seconds=seconds)
    at = anchor + step * ((stretch.after - anchor) // step + 1)
    while at <= stretch.until:
        yield at
        at += step


# --- what runs after others --------------------------------------------------------------------------------


def _dependents_ran_once(rows: list[Execution], verdict: Verdict) -> None:
    """P3 and P1 along chains: what runs after one other has a row in each chain in which that has ended."""
    chains: dict[int, dict[Any, list[Execution]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.chain_id is not None:
            chains[row.task_id][row.chain_id].append(row)
    for edge in Dependency.objects.select_related("task", "upstream"):
        if Dependency.objects.filter(task=edge.task).count() > 1:
            continue
        for row in rows:
            began = row.chain_id is not None or row.state not in NEVER_BEGAN
            if row.task_id != edge.upstream_id or row.state in ACTIVE or not began:
                continue
            after = [each for each in chains[edge.task_id][row.chain_id] if each.slot.startswith("dep:")]
            if not after:
                verdict.blame("P3", f"#{row.pk} ({row.task_key}) has ended, and {edge.task.key} has no row")
            if sum((each.state, each.reason) != (State.SKIPPED, "upstream") for each in after) > 1:
                verdict.blame("P1", f"{edge.task.key} has several rows after #{row.pk} ({row.task_key})")


def examine(verdict: Verdict, *, leave_out: Iterable[str] = ()) -> None:
    """Asks the program's own audit as well, while a node is alive; without the examinations of those names."""
    for finding in doctor.look(clock.refresh()):
        if not finding.is_healthy and finding.name not in leave_out:
            verdict.blame(
                finding.kind.promise or "doctor", f"{finding.name} {finding.state}: {finding.found}"
            )
