"""What a function's docstring says to people: its first paragraph and its Args section (Google style)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_ARGUMENTS = re.compile(r"(?:Args|Arguments|Parameters):\s*")
#: ``name: text``, ``name (type): text`` and ``*names: text``.
_ARGUMENT = re.compile(r"\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    summary: str  # the first paragraph on one line; empty without a docstring
    arguments: dict[str, str]  # parameter → what it is for


def read(function: Callable[..., Any]) -> Docstring:
    lines = inspect.cleandoc(function.__doc__ or "").splitlines()
    return Docstring(_first_paragraph(lines), dict(_arguments(lines)))


def _first_paragraph(lines: list[str]) -> str:
    paragraph: list[str] = []
    for line in lines:
        if not line.strip() or _ARGUMENTS.fullmatch(line):
            break
        paragraph.append(line.strip())
    return " ".join(paragraph)


def _arguments(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Entries stand one level inside the section; what stands deeper goes on with the entry above."""
    section = _section(lines)
    if not section:
        return
    level = _indent(section[0])
    name, words = "", [""]
    for line in section:
        entry = _ARGUMENT.fullmatch(line.strip()) if _indent(line) == level else None
        if entry is None:
            words.append(line.strip())
            continue
        if name:
            yield name, " ".join(words)
        name, words = entry["name"], [entry["text"]]
    if name:
        yield name, " ".join(words)


def _section(lines: list[str]) -> list[str]:
    """The lines below ``Args:``, up to the first that is not indented; blank ones left out."""
    start = next((number for number, line in enumerate(lines) if _ARGUMENTS.fullmatch(line)), None)
    section: list[str] = []
    for line in lines[start + 1 :] if start is not None else []:
        if line.strip() and not _indent(line):
            break
        if line.strip():
            section.append(line)
    return section


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
