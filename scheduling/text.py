"""Makes text and values storable in every supported database, within a cap.

PostgreSQL refuses NUL in text and NUL, NaN and lone surrogates in JSON; MariaDB refuses JSON nested 32 deep;
MySQL turns integers beyond 64 bits into floats. One such value must not keep a run's row from being written.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from uuid import UUID

from scheduling.exceptions import Unstorable

#: The caps of an execution's columns.
REASON_CHARACTERS = 40
DETAIL_CHARACTERS = 500
ERROR_CLASS_CHARACTERS = 200
MESSAGE_BYTES = 8 * 1024
TRACEBACK_BYTES = 64 * 1024
RESULT_BYTES = 64 * 1024
#: Nested lists and objects; MariaDB's JSON ends at 31, and rows travel to the database inside two more.
MAX_DEPTH = 20
#: Integers outside lose digits on MySQL.
LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64 - 1

ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_UNSTORABLE_CHARACTERS = re.compile("[\x00\ud800-\udfff]")
_SETS_ARE_SORTED_UP_TO = 10_000


def clean(text: str) -> str:
    """The same text with NUL and lone surrogates replaced by U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE_CHARACTERS.sub(REPLACEMENT, text)


def storable(text: str, cap_bytes: int) -> str:
    """The text, clean and at most ``cap_bytes`` of UTF-8 long, with an ellipsis where it was cut."""
    start = clean(text[: cap_bytes + 1])  # a character has at least one byte: the rest is never looked at
    if len(start.encode()) <= cap_bytes:
        return start
    return _head(start, cap_bytes - len(ELLIPSIS.encode())) + ELLIPSIS


def storable_middle(text: str, cap_bytes: int) -> str:
    """As ``storable``, but keeps both ends, the last three quarters of the room for the end (tracebacks)."""
    if len(text) <= cap_bytes and len(clean(text).encode()) <= cap_bytes:
        return clean(text)
    gap = f"\n{ELLIPSIS}\n"
    room = cap_bytes - len(gap.encode())
    return _head(clean(text[:room]), room // 4) + gap + _tail(clean(text[-room:]), room - room // 4)


def storable_characters(text: str, cap: int) -> str:
    """As ``storable``, for a column whose length is counted in characters."""
    start = clean(text[: cap + 1])
    return start if len(start) <= cap else start[: cap - 1] + ELLIPSIS


def said_by(error: BaseException) -> str:
    """What the exception says; its own ``__str__`` may be broken, which must not hide it."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  (foreign code; the class's name still tells what it was)
        return f"(a {type(error).__name__} that cannot be printed)"


def storable_json(value: object, cap_bytes: int = RESULT_BYTES) -> tuple[str | None, bool]:
    """``value`` as JSON text that every database takes, and whether something was lost on the way.

    ``None`` gives ``(None, False)``. Dates, times, UUIDs, decimals, enums, paths, tuples, sets, dataclasses
    have one faithful form each, which is not a loss. NaN and infinities become null; NUL and lone surrogates
    U+FFFD; integers beyond 64 bits text; bytes text. Of two keys that read the same, the first stays.
    A value whose JSON is longer than the cap becomes one string: the beginning of that JSON, and an ellipsis.

    Looks at no more than ``cap_bytes`` of the value, however large it is. Raises ``Unstorable`` for what has
    no JSON form (an open file, a model), refers to itself, or is nested more than ``MAX_DEPTH`` deep.
    """
    if value is None:
        return None, False
    writer = _Writer(cap_bytes)
    try:
        writer.write(value, "result")
    except _Full:
        return _preview(value if isinstance(value, str) else "".join(writer.pieces), cap_bytes), True
    return "".join(writer.pieces), writer.altered


def _head(text: str, cap_bytes: int) -> str:
    return text.encode()[:cap_bytes].decode(errors="ignore")


def _tail(text: str, cap_bytes: int) -> str:
    return text.encode()[-cap_bytes:].decode(errors="ignore")


def _preview(beginning: str, cap_bytes: int) -> str:
    """A JSON string of at most the cap; ``beginning`` is longer than that."""
    room = cap_bytes
    while True:
        preview = _quote(storable(beginning, room))
        size = len(preview.encode())
        if size <= cap_bytes:
            return preview
        # Quoting lengthens the text, by up to six times: shrink in proportion until it fits.
        room = min(room - 1, room * cap_bytes // size)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class _Full(Exception):
    """The cap is reached."""


class _Writer:
    """Writes one value as JSON piece by piece, so that it can stop at the cap."""

    def __init__(self, cap_bytes: int) -> None:
        self.pieces: list[str] = []
        self.altered = False
        self._room = cap_bytes
        self._cap = cap_bytes
        self._ancestors: list[int] = []

    def write(self, value: object, path: str) -> None:
        scalar = self._scalar(value, path)
        if scalar is not None:
            self._put(scalar)
            return
        if id(value) in self._ancestors:
            raise Unstorable(f"{path} refers to itself")
        if len(self._ancestors) == MAX_DEPTH:
            raise Unstorable(f"{path[:80]}… is nested more than {MAX_DEPTH} deep")
        self._ancestors.append(id(value))
        self._container(value, path)
        self._ancestors.pop()

    def _put(self, piece: str) -> None:
        self.pieces.append(piece)
        self._room -= len(piece) if piece.isascii() else len(piece.encode())
        if self._room < 0:
            raise _Full

    def _container(self, value: object, path: str) -> None:
        if isinstance(value, Mapping):
            self._object(value.items(), path)
        elif isinstance(value, list | tuple | deque):
            self._array(value, path)
        elif isinstance(value, set | frozenset):
            self._array(_in_order(value), path)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            self._object(((field.name, getattr(value, field.name)) for field in fields), path)
        else:
            kind = type(value)
            raise Unstorable(f"{path} is a {kind.__module__}.{kind.__qualname__}, which has no form in JSON")

    def _array(self, values: Iterable[object], path: str) -> None:
        self._put("[")
        for index, value in enumerate(values):
            if index:
                self._put(", ")
            self.write(value, f"{path}[{index}]")
        self._put("]")

    def _object(self, items: Iterable[tuple[object, object]], path: str) -> None:
        self._put("{")
        seen: set[str] = set()
        for name, value in items:
            key = self._key(name, path)
            if key in seen:
                self.altered = True
                continue
            if seen:
                self._put(", ")
            seen.add(key)
            self._put(key)
            self._put(": ")
            self.write(value, f"{path}.{name}" if isinstance(name, str) and len(name) < 80 else f"{path}[…]")
        self._put("}")

    def _key(self, name: object, path: str) -> str:
        """A key's JSON text: that of the value, quoted where it is not."""
        text = self._scalar(name, path)
        if text is None:
            raise Unstorable(
                f"{path} has a key of type {type(name).__qualname__}; keys must be text or numbers"
            )
        return text if text.startswith('"') else f'"{text}"'

    def _scalar(self, value: object, path: str) -> str | None:
        """The JSON text of a value without parts; None when it has parts."""
        if isinstance(value, Enum):
            value = value.value
        if value is None:
            return "null"
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return self._integer(value, path)
        if isinstance(value, float):
            return self._float(value)
        if isinstance(value, bytes | bytearray | memoryview):
            self.altered = True
            return self._text(bytes(value[: self._cap + 1]).decode(errors="replace"))
        plain = _plain(value)
        return None if plain is None else self._text(plain)

    def _text(self, value: str) -> str:
        start = value[: self._cap + 1]  # one more than fits: longer ones still reach the cap
        text = clean(start)
        if text != start:
            self.altered = True
        return _quote(text)

    def _integer(self, value: int, path: str) -> str:
        if LEAST_INTEGER <= value <= MOST_INTEGER:
            return int.__repr__(value)
        if value.bit_length() > 4_096:  # Python refuses to print integers of more than 4 300 digits
            raise Unstorable(f"{path} is an integer of {value.bit_length()} bits")
        self.altered = True
        return f'"{int.__repr__(value)}"'

    def _float(self, value: float) -> str:
        if math.isfinite(value):
            return float.__repr__(value)
        self.altered = True
        return "null"


def _plain(value: object) -> str | None:
    """The text that stands for a value of the standard library without loss; None when it is not one."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "S"
    if isinstance(value, Decimal | UUID | PurePath):
        return str(value)
    return None


def _in_order(values: set[object] | frozenset[object]) -> Iterable[object]:
    """A set in a stable order where its members have one and it is not enormous."""
    if len(values) > _SETS_ARE_SORTED_UP_TO:
        return islice(values, len(values))
    try:
        return sorted(values)  # type: ignore[type-var]
    except TypeError:
        return sorted(values, key=repr)
