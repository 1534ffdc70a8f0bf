"""Reading what people wrote: each reader returns a checked value or raises InvalidTrigger for one field."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from django.utils.translation import gettext as _

from scheduling.exceptions import InvalidTrigger

PARAMS = "trigger_params"
#: How much of a value is repeated in a message.
QUOTED_LENGTH = 40


def refusal(message: str, field: str = PARAMS) -> InvalidTrigger:
    """The exception for one wrong field."""
    return InvalidTrigger({field: [message]})


def quoted(value: object, length: int = QUOTED_LENGTH) -> str:
    """The value as it can stand in a message: short, on one line, without control characters."""
    if isinstance(value, str):
        shown = value if len(value) <= length else value[:length] + "…"
        return "“" + "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in shown) + "”"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 128:  # printing a huge number is slow, or refused
        return _("a number of %(bits)d bits") % {"bits": value.bit_length()}
    if isinstance(value, int | float):
        return str(value)
    return _("a value of type %(type)s") % {"type": type(value).__name__}


def nearest(word: str, known: Collection[str]) -> str:
    """The known word most like this one, or ''."""
    return next(iter(difflib.get_close_matches(word[:64].lower(), list(known), n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A clause with a leading space that names the nearest known word, or ''."""
    found = nearest(word, known)
    return " " + _("Did you mean “%(nearest)s”?") % {"nearest": found} if found else ""


def not_known(value: object, known: Collection[str]) -> str:
    """The sentences for a value that is none of the known words: the nearest of them, and all that are allowed."""
    said = _("%(value)s is not known.") % {"value": quoted(value)}
    if isinstance(value, str):
        said += did_you_mean(value, known)
    return said + " " + _("Allowed are %(allowed)s.") % {"allowed": ", ".join(known)}


def mapping(params: object, known: Collection[str]) -> dict[str, object]:
    """The given parameters: a mapping with known keys only; a null value counts as not given."""
    allowed = ", ".join(known)
    if not isinstance(params, Mapping):
        raise refusal(
            _("The parameters must be a mapping with the keys %(allowed)s, not %(value)s.")
            % {"allowed": allowed, "value": quoted(params)}
        )
    unknown = [
        _("Unknown key %(key)s.") % {"key": quoted(key)}
        + did_you_mean(str(key) if isinstance(key, str) else "", known)
        + " "
        + _("Allowed are %(allowed)s.") % {"allowed": allowed}
        for key in list(params)
        if not isinstance(key, str) or key not in known
    ]
    if unknown:
        raise InvalidTrigger({PARAMS: unknown[:20]})
    return {key: value for key, value in params.items() if value is not None}


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """An integer in [low, high]; `name` is the key that the message speaks of."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise refusal(
            _("%(name)s: %(value)s is not a whole number from %(low)d to %(high)d.")
            % {"name": name, "value": quoted(value), "low": low, "high": high}
        )
    return value
