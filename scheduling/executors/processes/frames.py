"""Messages through pipes: a length, then JSON; and how orders and outcomes are written in it.

JSON and not pickle: what a run's process says is data to the scheduler, never code.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from scheduling.context import Progress
from scheduling.executors.base import Outcome, RunOrder

#: A message longer than this is nonsense: a run has written into the pipe by itself.
LONGEST_BYTES = 16 * 1024 * 1024
_LENGTH = struct.Struct("<I")
_MOMENTS = ("scheduled_for", "deadline_at", "retry_at")


class Nonsense(Exception):
    """The other side does not speak in frames."""


def encode(message: Mapping[str, Any]) -> bytes:
    data = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTH.pack(len(data)) + data


def write(descriptor: int, data: bytes) -> None:
    """Writes all of it, waiting for the reader. Raises OSError when there is none any more."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Reader:
    """Puts messages together from whatever pieces they arrive in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now. Raises Nonsense."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > LONGEST_BYTES:
                raise Nonsense(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            data = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield _decoded(data)


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except ValueError as error:
        raise Nonsense(str(error)) from error
    if not isinstance(message, dict):
        raise Nonsense(f"a {type(message).__name__}")
    return message


def pack_order(order: RunOrder) -> dict[str, Any]:
    packed = {field.name: getattr(order, field.name) for field in fields(order)}
    return (
        packed
        | _moments_as_text(packed)
        | {
            "node_id": str(order.node_id),
            "parameters": dict(order.parameters),
            "upstream": dict(order.upstream),
        }
    )


def unpack_order(packed: dict[str, Any]) -> RunOrder:
    return RunOrder(**packed | _moments_from_text(packed) | {"node_id": UUID(packed["node_id"])})


def pack_outcome(outcome: Outcome) -> dict[str, Any]:
    """Without the log, which has been told line by line, and the end on this process's clock."""
    packed = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    del packed["log"], packed["finished_monotonic"]
    return packed | _moments_as_text(packed)


def unpack_outcome(packed: dict[str, Any]) -> Outcome:
    """Raises TypeError or ValueError when it is none."""
    progress = packed.get("progress")
    made = Progress(*progress) if progress else None
    family = tuple(map(str, packed.get("error_family", ())))
    return Outcome(**packed | _moments_from_text(packed) | {"progress": made, "error_family": family})


def _moments_as_text(packed: Mapping[str, Any]) -> dict[str, str]:
    return {name: packed[name].isoformat() for name in _MOMENTS if packed.get(name) is not None}


def _moments_from_text(packed: Mapping[str, Any]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(packed[name]) for name in _MOMENTS if packed.get(name) is not None}
