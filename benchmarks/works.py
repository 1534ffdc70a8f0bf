"""The same works for every contestant (W1 to W5 of docs/performance.md). Each returns figures by name."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from contest import Contestant, await_, due_in

Figures = dict[str, float]

#: Runs per second that a contestant is asked to hold, one after another, until it cannot.
LADDER = (50, 100, 250, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 7_500)
#: Of the runs that come due, so many must have taken place, and the slowest second may lag by a second.
HELD = 0.99
KILL_AFTER = 400


def burst(contestant: Contestant, number: int) -> Figures:
    """W1: all due at one instant, the process up and idle when it comes."""
    due = due_in(10 + number / 2_000)
    contestant.fill(number, due)
    if (left := (due - datetime.now(UTC)).total_seconds()) < 6:  # it took long to fill
        due = due_in(16 - left + 2 * number / 2_000)
        contestant.fill(number, due)
    contestant.start()
    time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    _await_end(contestant, number)
    contestant.stop()
    if not contestant.finished():
        return {"runs/s": 0, "late p50 s": float("inf"), "late p99 s": float("inf"), "dropped": number}
    starts, last = contestant.moments()
    late = [(start - due).total_seconds() for start in starts]
    return {
        "runs/s": len(starts) / (last - due).total_seconds(),
        "late p50 s": late[len(late) // 2],
        "late p99 s": late[int(len(late) * 0.99)],
        "dropped": number - len(starts),
    }


def _await_end(contestant: Contestant, number: int) -> None:
    """Until all have ended, or ten seconds (or, before the first, a minute) have passed without one."""
    seen, since = 0, time.monotonic() + 50
    while seen < number and time.monotonic() - since < 10:
        now_seen = contestant.finished()
        if now_seen != seen:
            seen, since = now_seen, time.monotonic()
        time.sleep(0.05)


def steady(contestant: Contestant, rate: int, seconds: float) -> Figures:
    """W2: that many tasks due each second, for so long, all at the same instant. Lateness is since the full second."""
    contestant.fill_steady(rate)
    contestant.start()
    began = time.monotonic()
    await_(lambda: contestant.finished() > 0, 60)
    time.sleep(5)  # over the start
    time.sleep(1 - (time.time() - 0.9) % 1)  # between two seconds' runs, so that whole seconds are counted
    first = contestant.finished()
    at = time.monotonic()
    time.sleep(seconds)
    done = contestant.finished() - first
    took = time.monotonic() - at
    cpu, _memory = contestant.usage()
    contestant.stop()
    if not done:
        return {"runs/s": 0, "share": 0, "late p99 s": float("inf"), "cpu of a core": 0}
    starts, _last = contestant.moments()
    since = max(starts) - timedelta(seconds=seconds)
    window = [start for start in starts if start > since]
    late = sorted(start.microsecond / 1e6 for start in window)
    return {
        "runs/s": done / took,
        "share": done / took / rate,
        "late p99 s": late[int(len(late) * 0.99)],
        "cpu of a core": cpu / (time.monotonic() - began),
    }


def most_held(contestant: Contestant, seconds: float, ladder: tuple[int, ...] = LADDER) -> Figures:
    """The highest step that is held; the last one that is tried may show why not."""
    best: Figures = {"held": 0}
    for rate in ladder:
        found = steady(contestant, rate, seconds)
        print(f"  {contestant.name}, {rate:,} each second: {found}", flush=True)
        if found["share"] < HELD:
            break
        best = {"held": rate} | found
    return best


def idle(contestant: Contestant, number: int, seconds: float = 30) -> Figures:
    """W3: that many tasks far in the future, and one that is due at once: when it has run, the process is ready."""
    contestant.fill(number, datetime.now(UTC) + timedelta(days=30))
    contestant.edit(datetime.now(UTC) + timedelta(seconds=1))
    time.sleep(1.5)
    began = time.monotonic()
    contestant.start()
    ready = await_(lambda: contestant.finished() > 0, 60)
    took = time.monotonic() - began
    time.sleep(3)
    before, _memory = contestant.usage()
    time.sleep(seconds)
    after, memory = contestant.usage()
    contestant.stop()
    return {
        "cpu %": 100 * (after - before) / seconds,
        "memory MiB": memory,
        "first run after s": took if ready else float("nan"),
    }


def edit(contestant: Contestant, times: int = 5) -> Figures:
    """W4: from the commit of a new time (or from that time, if it is later) to the start of the run."""
    found = []
    for _round in range(times):
        contestant.fill(100, datetime.now(UTC) + timedelta(days=30))
        contestant.start()
        time.sleep(6)
        due = datetime.now(UTC) + timedelta(seconds=0.5)
        stood = contestant.edit(due)
        if await_(lambda: contestant.finished() > 0, 35):
            starts, _last = contestant.moments()
            found.append((starts[0] - max(due, stood)).total_seconds())
        contestant.stop()
    found.sort()
    return {
        "p50 s": found[len(found) // 2] if found else float("inf"),
        "max s": found[-1] if len(found) == times else float("inf"),
        "never": times - len(found),
    }


def crash(contestant: Contestant, number: int) -> Figures:
    """W5: kill -9 in a burst after 400 runs, then a restart; 40 s later whatever has not ended counts as lost."""
    due = due_in(8 + number / 500)
    contestant.fill(number, due, write_lines=True)
    contestant.start()
    await_(lambda: len(contestant.lines_written()) >= KILL_AFTER, 120)
    contestant.kill()
    contestant.start()
    await_(lambda: not any(contestant.outcome(number)[kind] for kind in ("lost", "stuck")), 40)
    contestant.stop()
    return dict(contestant.outcome(number))
