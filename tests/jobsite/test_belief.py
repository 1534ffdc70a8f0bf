"""Many who ask for the same at once: one finds it out, the others make do with what was known, for a bounded time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from jobsite import belief
from jobsite.belief import Belief


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, in seconds, set by the test."""
    at = [100.0]
    monkeypatch.setattr(belief, "TIMES", 20.0)
    monkeypatch.setattr(belief.time, "monotonic", lambda: at[0])
    return at


class Source:
    """Finding out takes ``seconds`` and gives "x", then "xx", and so on."""

    def __init__(self, at: list[float], seconds: float) -> None:
        self.at, self.seconds, self.number = at, seconds, 0

    def __call__(self) -> str:
        self.at[0] += self.seconds
        self.number += 1
        return "x" * self.number


def test_it_is_believed_for_twenty_times_as_long_as_finding_out_took(at: list[float]) -> None:
    find, known = Source(at, 0.1), Belief[str]()
    assert [known.get("a", find), known.get("a", find)] == ["x", "x"]
    at[0] += 1.9
    assert known.get("a", find) == "x"
    at[0] += 0.2
    assert known.get("a", find) == "xx"


def test_but_never_for_long(at: list[float]) -> None:
    find, known = Source(at, 3.0), Belief[str]()
    assert known.get("a", find) == "x"
    at[0] += belief.LONGEST - 0.1
    assert known.get("a", find) == "x"
    at[0] += 0.2
    assert known.get("a", find) == "xx"


def test_who_has_just_changed_something_is_told_nothing_old_and_neither_are_those_after(
    at: list[float],
) -> None:
    find, known = Source(at, 0.1), Belief[str]()
    assert known.get("a", find) == "x"
    assert known.get("a", find, afresh=True) == "xx"
    assert known.get("a", find) == "xx"


def test_more_than_are_remembered_push_the_others_out(
    at: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(belief, "MOST", 2)
    find, known = Source(at, 0.1), Belief[str]()
    assert [known.get(key, find) for key in "abc"] == ["x", "xx", "xxx"]
    assert known.get("c", find) == "xxx"
    assert known.get("a", find) == "xxxx"


class Slow:
    """Finds out in a thread of its own, and is not done before it is let."""

    def __init__(self) -> None:
        self.begun, self.may_end, self.number = Event(), Event(), 0

    def __call__(self) -> str:
        self.number += 1
        self.begun.set()
        assert self.may_end.wait(30)
        return "new"


def test_while_one_finds_out_the_others_make_do_with_what_was_known_but_not_for_ever(at: list[float]) -> None:
    known, slow = Belief[str](), Slow()
    known.get("a", Source(at, 0.1))
    at[0] += 3
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(known.get, "a", slow)
        assert slow.begun.wait(30)
        assert known.get("a", slow) == "x"
        at[0] += belief.GRACE
        late = pool.submit(known.get, "a", slow)  # too old by now: waits for what the first finds
        slow.may_end.set()
        assert [first.result(30), late.result(30)] == ["new", "new"]


def test_where_nothing_is_known_all_wait_for_the_one_who_finds_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belief, "TIMES", 1_000_000.0)
    known, slow = Belief[str](), Slow()
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(known.get, "a", slow) for _ in range(4)]
        assert slow.begun.wait(30)
        slow.may_end.set()
        assert [answer.result(30) for answer in answers] == ["new"] * 4
    assert slow.number == 1


def test_after_a_fault_the_next_one_tries(at: list[float]) -> None:
    known = Belief[str]()

    def fail() -> str:
        raise RuntimeError("the database is away")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            known.get("a", fail)
    assert known.get("a", Source(at, 0.1)) == "x"


def test_what_was_seen_earlier_does_not_replace_what_was_seen_later(at: list[float]) -> None:
    known, slow = Belief[str](), Slow()
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(known.get, "a", slow)
        assert slow.begun.wait(30)
        at[0] += 1
        assert known.get("a", Source(at, 0.1), afresh=True) == "x"
        slow.may_end.set()
        assert early.result(30) == "new"
    assert known.get("a", slow) == "x"
