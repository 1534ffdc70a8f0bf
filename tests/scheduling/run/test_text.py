"""Whatever text or value a task leaves behind can be stored, within its cap, in bounded time."""

from __future__ import annotations

import dataclasses
import enum
import json
import tracemalloc
from collections import OrderedDict, deque, namedtuple
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from itertools import count
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.exceptions import Unstorable
from scheduling.text import (
    RESULT_BYTES,
    clean,
    said_by,
    storable,
    storable_characters,
    storable_json,
    storable_middle,
)

TEXTS = [
    # text, cap in bytes, what is stored
    ("", 10, ""),
    ("plain", 10, "plain"),
    ("plain", 5, "plain"),
    ("plain", 4, "p…"),
    ("a\x00b", 10, "a\ufffdb"),
    ("a\ud800b\udfff", 20, "a\ufffdb\ufffd"),
    ("库库库", 9, "库库库"),
    ("库库库", 8, "库…"),
    ("🐘🐘", 7, "🐘…"),
    ("🐘🐘", 6, "…"),
    ("\x00" * 4, 12, "\ufffd" * 4),
    ("\x00" * 5, 12, "\ufffd" * 3 + "…"),
]


@pytest.mark.parametrize(("text", "cap", "stored"), TEXTS)
def test_storable(text: str, cap: int, stored: str) -> None:
    assert storable(text, cap) == stored


@given(st.text(st.characters(), max_size=200), st.integers(8, 300))
@settings(max_examples=200, deadline=None)
def test_storable_fits_and_keeps_what_fits(text: str, cap: int) -> None:
    for cut in (storable(text, cap), storable_middle(text, cap)):
        assert len(cut.encode()) <= cap
        assert "\x00" not in cut
    if len(clean(text).encode()) <= cap:
        assert storable(text, cap) == storable_middle(text, cap) == clean(text)
    assert len(storable_characters(text, cap)) <= cap


def test_storable_looks_only_at_the_beginning() -> None:
    enormous = "x" * 50_000_000
    tracemalloc.start()
    try:
        assert storable(enormous, 10) == "x" * 7 + "…"
        assert tracemalloc.get_traced_memory()[1] < 100_000, "nothing as long as the text is made"
    finally:
        tracemalloc.stop()


def test_the_middle_goes_and_both_ends_stay() -> None:
    text = "first\n" + "x" * 1000 + "\nlast"
    cut = storable_middle(text, 100)
    assert cut.startswith("first\nx")
    assert cut.endswith("x\nlast")
    assert "\n…\n" in cut


def test_an_exception_that_cannot_be_printed_is_still_named() -> None:
    class Evil(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert "Evil" in said_by(Evil())


# --- Values --------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()


@dataclasses.dataclass
class Size:
    name: str
    bytes: int


Pair = namedtuple("Pair", "a b")
UID = UUID(int=5)

FAITHFUL: list[tuple[Any, Any]] = [
    (True, True),
    (0, 0),
    (-1.5, -1.5),
    ("", ""),
    ("库 'q' \"d\" \\ \n", "库 'q' \"d\" \\ \n"),
    (Name("x"), "x"),
    ([], []),
    ({}, {}),
    ([1, [2, {"a": None}]], [1, [2, {"a": None}]]),
    ((1, 2), [1, 2]),
    (Pair(1, 2), [1, 2]),
    (deque([1]), [1]),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset({"b", "a"}), ["a", "b"]),
    ({1, "a"}, ["a", 1]),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Decimal("1.50"), "1.50"),
    (UID, str(UID)),
    (date(2026, 1, 31), "2026-01-31"),
    (datetime(2026, 1, 31, 8, tzinfo=UTC), "2026-01-31T08:00:00+00:00"),
    (clock_time(8, 30), "08:30:00"),
    (timedelta(days=1), "PT86400S"),
    (timedelta(0), "PT0S"),
    (timedelta(milliseconds=1500), "PT1.5S"),
    (PurePosixPath("/a/b"), "/a/b"),
    (Size("x", 5), {"name": "x", "bytes": 5}),
    (
        {1: "a", 2.5: "b", None: "c", False: "d", UID: "e"},
        {"1": "a", "2.5": "b", "null": "c", "false": "d", str(UID): "e"},
    ),
    (2**64 - 1, 2**64 - 1),
    (-(2**63), -(2**63)),
]

ALTERED: list[tuple[Any, Any]] = [
    (float("nan"), None),
    ([float("inf"), float("-inf")], [None, None]),
    ("a\x00b", "a\ufffdb"),
    ({"a\x00": "\ud800"}, {"a\ufffd": "\ufffd"}),
    ({1: "first", "1": "second"}, {"1": "first"}),
    (2**64, str(2**64)),
    (-(2**63) - 1, str(-(2**63) - 1)),
    (b"abc", "abc"),
    (bytearray(b"\xff"), "\ufffd"),
]


def names(rows: list[Any]) -> list[str]:
    """The same in every process: what a set prints is not."""
    return [f"{number}-{type(row[0]).__name__}" for number, row in enumerate(rows)]


@pytest.mark.parametrize(("value", "read_back"), FAITHFUL, ids=names(FAITHFUL))
def test_faithful_values(value: Any, read_back: Any) -> None:
    text, altered = storable_json(value)
    assert text is not None
    assert json.loads(text) == read_back
    assert altered is False


@pytest.mark.parametrize(("value", "read_back"), ALTERED, ids=names(ALTERED))
def test_altered_values_say_so(value: Any, read_back: Any) -> None:
    text, altered = storable_json(value)
    assert text is not None
    assert json.loads(text) == read_back
    assert altered is True


def test_none_is_nothing() -> None:
    assert storable_json(None) == (None, False)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def circular() -> Any:
    value: dict[str, Any] = {}
    value["me"] = [value]
    return value


UNSTORABLE: list[tuple[Any, str]] = [
    (object(), "result is a builtins.object"),
    ({"a": [1, object()]}, r"result\.a\[1\] is a builtins.object"),
    ((number for number in count()), "generator"),
    (len, "builtin_function_or_method"),
    (Size, "builtins.type"),
    ({(1, 2): 3}, "key of type tuple"),
    (circular(), r"result\.me\[0\] refers to itself"),
    (nested(21), "more than 20 deep"),
    (nested(100_000), "more than 20 deep"),
    (1 << 100_000, "100001 bits"),
    (complex(1, 2), "builtins.complex"),
]


@pytest.mark.parametrize(("value", "words"), UNSTORABLE, ids=[row[1] for row in UNSTORABLE])
def test_what_has_no_form_is_refused_by_path(value: Any, words: str) -> None:
    with pytest.raises(Unstorable, match=words):
        storable_json(value)


def test_the_same_value_twice_is_not_circular() -> None:
    one = [1]
    assert storable_json([one, one]) == ("[[1], [1]]", False)
    assert storable_json(nested(20))[1] is False


ENORMOUS: list[Any] = [
    "x" * 10_000_000,
    '"' * 100_000,
    "\x01" * 100_000,
    "🐘" * 100_000,
    b"x" * 10_000_000,
    list(range(5_000_000)),
    dict.fromkeys(range(1_000_000)),
    set(range(1_000_000)),
    {"x" * 10_000_000: 1},
    [["x" * 60_000], ["y" * 60_000]],
    [[]] * 5_000_000,
    Decimal("1" * 100_000),
]


@pytest.mark.parametrize(
    "value", ENORMOUS, ids=[f"{type(row).__name__}{index}" for index, row in enumerate(ENORMOUS)]
)
def test_enormous_values_keep_their_beginning_in_bounded_time(value: Any) -> None:
    tracemalloc.start()
    try:
        text, altered = storable_json(value)
        assert tracemalloc.get_traced_memory()[1] < 100 * RESULT_BYTES, "most of the value is never looked at"
    finally:
        tracemalloc.stop()
    assert text is not None
    assert RESULT_BYTES // 8 < len(text.encode()) <= RESULT_BYTES
    assert json.loads(text).endswith("…")
    assert altered is True


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.decimals(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.tuples(inner)
    ),
    max_leaves=30,
)


@given(ANY_JSON, st.integers(64, 500))
@settings(max_examples=300, deadline=None)
def test_any_value_becomes_strict_json_within_the_cap(value: Any, cap: int) -> None:
    try:
        text, altered = storable_json(value, cap)
    except Unstorable:
        return
    if text is None:
        assert value is None
        return
    assert len(text.encode()) <= cap

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(text, parse_constant=refuse)
    assert "\\u0000" not in text
    if not altered and "�" not in text:
        assert storable_json(json.loads(text), cap * 2)[1] is False
