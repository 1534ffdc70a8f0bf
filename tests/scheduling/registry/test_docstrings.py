"""Google style docstrings, as people really write them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduling import docstrings


def without() -> None: ...


def one_line() -> None:
    """One line."""


def arguments_at_once() -> None:
    """
    Args:
        a: The a.
    """


def full() -> None:
    """First paragraph
    on two lines.

    Second paragraph: not an argument.

    Arguments:
        a: The a,
            continued: with a colon.
        b (int, optional): The b.

        *rest: The rest.
        **more: And more.

    Returns:
        c: Not an argument.
    """


CASES: list[tuple[Callable[[], None], str, dict[str, str]]] = [
    (without, "", {}),
    (one_line, "One line.", {}),
    (arguments_at_once, "", {"a": "The a."}),
    (
        full,
        "First paragraph on two lines.",
        {"a": "The a, continued: with a colon.", "b": "The b.", "rest": "The rest.", "more": "And more."},
    ),
]


@pytest.mark.parametrize(("function", "summary", "arguments"), CASES)
def test_read(function: Callable[[], None], summary: str, arguments: dict[str, str]) -> None:
    assert docstrings.read(function) == docstrings.Docstring(summary, arguments)
