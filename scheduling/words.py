"""Sentences about names that do not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from scheduling.sentences import of_names

_MOST_NAMES = 20


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """The end of an error message (with a space before it): the nearest name, else the names there are."""
    names = sorted(allowed)
    near = get_close_matches(word, names, n=1)
    if near:
        return " " + of_names.NEAREST.in_words({"name": repr(near[0])})
    if not names:
        return " " + of_names.THERE_ARE_NONE.in_words({})
    shown = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
    return " " + of_names.ALLOWED.in_words({"names": shown})
