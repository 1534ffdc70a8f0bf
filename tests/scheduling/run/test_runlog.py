"""A run's log: in order, in chunks, bounded, from any thread, and what standard logging adds to it."""

from __future__ import annotations

import gc
import logging
import threading
import tracemalloc
from collections.abc import Iterator
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from scheduling.runlog import (
    CHUNK_BYTES,
    NOTHING,
    ROW_BYTES,
    Drained,
    LogChunk,
    RunLog,
    RunLogHandler,
    install,
    level_name,
    open_log,
)

AT = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


class Table:
    """What the database would hold after each drain."""

    def __init__(self) -> None:
        self.rows: dict[int, LogChunk] = {}

    def store(self, drained: Drained) -> None:
        for seq in [seq for seq in self.rows if seq in drained.stale]:
            del self.rows[seq]
        for chunk in drained.chunks:
            assert chunk.seq not in self.rows
            self.rows[chunk.seq] = chunk

    @property
    def texts(self) -> list[str]:
        return [self.rows[seq].text for seq in sorted(self.rows)]

    @property
    def size(self) -> int:
        return sum(len(text.encode()) for text in self.texts)


def test_lines_of_one_level_close_together_share_a_row() -> None:
    log = RunLog()
    log.append(AT, "INFO", "one")
    log.append(later(0.1), "INFO", "two")
    log.append(later(0.2), "ERROR", "three")
    log.append(later(0.3), "INFO", "four")
    log.append(later(0.9), "INFO", "five")
    assert [(row.at, row.level, row.text) for row in log.drain().chunks] == [
        (AT, "INFO", "one\ntwo"),
        (later(0.2), "ERROR", "three"),
        (later(0.3), "INFO", "four"),
        (later(0.9), "INFO", "five"),
    ]


def test_drain_gives_only_what_is_new() -> None:
    log = RunLog()
    assert log.drain() is NOTHING
    assert not log.drain()
    log.append(AT, "INFO", "one")
    first = log.drain()
    assert log.drain() is NOTHING
    log.append(AT, "INFO", "two")
    second = log.drain()
    assert [chunk.text for chunk in first.chunks + second.chunks] == ["one", "two"]
    assert first.chunks[0].seq < second.chunks[0].seq
    assert len(first.stale) == len(second.stale) == 0


@pytest.mark.parametrize(
    "text", ["x" * 20_000, "库" * 7_000, "🐘" * 5_000, "x" * 8191 + "🐘" * 3, "\x00\ud800" * 9_000]
)
def test_long_lines_are_split_within_the_chunk_size_and_lose_nothing(text: str) -> None:
    log = RunLog()
    log.append(AT, "INFO", text)
    chunks = log.drain().chunks
    assert len(chunks) > 1
    assert all(len(chunk.text.encode()) <= CHUNK_BYTES for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks).replace("\n", "") == text.replace("\x00", "�").replace(
        "\ud800", "�"
    )


@pytest.mark.parametrize("drain_every", [1, 7, 1_000, None])
@pytest.mark.parametrize("line", ["{} " + "x" * 500, "{}", "{} 库🐘" * 30, "{} " + "y" * 20_000])
def test_the_first_and_the_last_half_stay(drain_every: int | None, line: str) -> None:
    cap = 64 * 1024
    log, table = RunLog(cap), Table()
    written = 0
    number = 0
    while written < 3 * cap:
        text = line.replace("{}", str(number))
        log.append(later(number), ("INFO", "ERROR")[number % 2], text)
        written += len(text.encode())
        number += 1
        if drain_every and number % drain_every == 0:
            table.store(log.drain())
    table.store(log.drain())
    assert table.size <= cap + 100
    texts = table.texts
    assert texts[0].startswith(line.replace("{}", "0")[:50])
    assert texts[-1].endswith(line.replace("{}", str(number - 1))[-50:])
    (gap,) = [index for index, text in enumerate(texts) if "bytes left out" in text]
    kept = sum(len(text.encode()) for index, text in enumerate(texts) if index != gap)
    assert texts[gap] == f"… {written - kept} bytes left out …"
    first = sum(len(text.encode()) + ROW_BYTES for text in texts[:gap])
    assert cap // 2 - CHUNK_BYTES - ROW_BYTES <= first <= cap // 2
    assert all(before < after for before, after in pairwise(sorted(table.rows)))


def test_within_the_cap_nothing_is_left_out() -> None:
    log, table = RunLog(64 * 1024), Table()
    lines = [f"line {number}" for number in range(2_000)]
    for line in lines:
        log.append(AT, "INFO", line)
    table.store(log.drain())
    assert "\n".join(table.texts).split("\n") == lines


def test_memory_and_rows_are_bounded_by_the_cap_whatever_is_written() -> None:
    log = RunLog()
    tracemalloc.start()
    for number in range(60_000):  # empty lines that cannot share a row
        log.append(later(number), ("INFO", "ERROR")[number % 2], "")
    log.append(AT, "INFO", "z" * 30_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000 + 8_000_000
    assert len(log.drain().chunks) <= 1024 * 1024 // ROW_BYTES + 1


def test_many_threads_write_at_once() -> None:
    log, table = RunLog(), Table()
    stop = threading.Event()

    def write(name: int) -> None:
        for number in range(500):
            log.append(AT, "INFO", f"{name}:{number}")

    def drain() -> None:
        while not stop.is_set():
            table.store(log.drain())

    writers = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    drainer = threading.Thread(target=drain)
    drainer.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    drainer.join()
    table.store(log.drain())
    lines = "\n".join(table.texts).split("\n")
    assert len(lines) == 2_000
    for name in range(4):
        assert [line for line in lines if line.startswith(f"{name}:")] == [f"{name}:{n}" for n in range(500)]


# --- Standard logging ----------------------------------------------------------------------------------


@pytest.fixture
def logger() -> logging.Logger:
    # Not one of the process's loggers: pytest's own handlers would see its records as well.
    logger = logging.Logger("a.task")
    logger.addHandler(RunLogHandler())
    return logger


@pytest.fixture
def log() -> Iterator[RunLog]:
    token = open_log.set(RunLog())
    found = open_log.get()
    assert found is not None
    yield found
    open_log.reset(token)


def test_records_land_with_level_name_and_exception(logger: logging.Logger, log: RunLog) -> None:
    logger.info("%s rows", 5)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logger.exception("oops")
    info, error = log.drain().chunks
    assert (info.level, info.text) == ("INFO", "a.task: 5 rows")
    assert error.level == "ERROR"
    assert error.text.startswith("a.task: oops\nTraceback")
    assert error.text.endswith("ZeroDivisionError: division by zero")


def test_outside_a_run_nothing_happens(logger: logging.Logger) -> None:
    logger.info("nobody listens")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "DEBUG"),
        (10, "DEBUG"),
        (15, "DEBUG"),
        (20, "INFO"),
        (25, "INFO"),
        (35, "WARNING"),
        (40, "ERROR"),
        (50, "CRITICAL"),
        (99, "CRITICAL"),
    ],
)
def test_any_level_becomes_one_of_five(number: int, name: str) -> None:
    assert level_name(number) == name


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("cannot be printed")

    __repr__ = __str__


class Talkative:
    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger

    def __str__(self) -> str:
        self.logger.info("printing %s", self)
        return "talkative"


@pytest.mark.parametrize(
    ("message", "arguments", "words"),
    [
        ("%s", (Broken(),), "RuntimeError while this record was formatted"),
        (Broken(), (), "RuntimeError while this record was formatted"),
        ("%d %d", (1,), "TypeError while this record was formatted"),
        ("a\x00\ud800", (), "a\ufffd\ufffd"),
        (5, (), "a.task: 5"),
    ],
)
def test_awkward_records_never_raise(
    logger: logging.Logger, log: RunLog, message: Any, arguments: tuple[Any, ...], words: str
) -> None:
    logger.info(message, *arguments)
    (chunk,) = log.drain().chunks
    assert words in chunk.text
    assert chunk.text.count("\n") == 0


def test_an_argument_that_logs_when_it_is_printed_is_not_followed(
    logger: logging.Logger, log: RunLog
) -> None:
    logger.info("%s", Talkative(logger))
    assert [chunk.text for chunk in log.drain().chunks] == ["a.task: talkative"]


def test_a_thread_with_a_copy_of_the_context_writes_to_the_run(logger: logging.Logger, log: RunLog) -> None:
    inside = threading.Thread(target=copy_context().run, args=(logger.info, "inside"))
    outside = threading.Thread(target=logger.info, args=("outside",))
    for thread in (inside, outside):
        thread.start()
        thread.join()
    assert [chunk.text for chunk in log.drain().chunks] == ["a.task: inside"]


def test_a_finaliser_that_logs_during_an_append_does_not_block(
    log: RunLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collect(self: RunLog, *arguments: Any) -> None:
        class Garbage:
            def __del__(self) -> None:
                log.append(AT, "INFO", "from a finaliser")

        garbage: Any = Garbage()
        garbage.me = garbage
        del garbage
        gc.collect()

    monkeypatch.setattr(RunLog, "_shed", collect)
    log.append(AT, "INFO", "one")
    assert [chunk.text for chunk in log.drain().chunks] == ["one"]


def test_install_puts_one_handler_on_the_root_logger() -> None:
    first = install()
    try:
        assert install() is first
        assert logging.getLogger().handlers.count(first) == 1
    finally:
        logging.getLogger().removeHandler(first)
