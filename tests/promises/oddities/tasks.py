"""Whatever is hard to store, as a result, an error, a log or a flood of output."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from scheduling.context import current_run
from scheduling.registry import task


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


class EvilDict(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("not mine")


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def recursive() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(500):
        found = [found]
    return found


def speak() -> str:
    """Says it instead of returning it."""
    run = current_run()
    run.log("a\0\ud800" * 5_000)
    run.progress(1, 2, "half\0\ud800")
    print("\0\ud800".encode(errors="surrogatepass").decode(errors="replace"))
    return "said"


#: Name → what gives it.
ODD: dict[str, Callable[[], Any]] = {
    "nul": lambda: "a\0b",
    "surrogate": lambda: {"\ud800": "\udfff"},
    "not numbers": lambda: [float("nan"), float("inf"), -float("inf")],
    "huge text": lambda: "x" * 10**7,
    "huge list": lambda: list(range(10**6)),
    "bytes": lambda: b"\xff\0",
    "keys that read the same": lambda: {1: "a", "1": "b"},
    "beyond 64 bits": lambda: 2**70,
    "recursive": recursive,
    "deep": deep,
    "no form": threading.Lock,
    "keys that are no text": lambda: {(1, 2): 3},
    "enormous integer": lambda: 10**5_000,
    "unprintable error": raising(Unprintable()),
    "unstorable error": raising(ValueError("a\0\ud800" * 100_000)),
    "own code that raises": lambda: EvilDict(a=1),
    "exit": lambda: sys.exit(3),
    "said": speak,
}


@task("Give something odd")
def give_odd(kind: str) -> Any:
    return ODD[kind]()


@task("Flood")
def flood(megabytes: int) -> str:
    piece = b"0123456789abcde\n" * 65_536
    for _ in range(megabytes):
        os.write(1, piece)
    return "done"


@task("Take long the first time")
def long_first_time() -> None:
    if current_run().attempt == 1:
        current_run().sleep(600)
