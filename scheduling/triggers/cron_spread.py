"""Jenkins' `H`: a value that differs from task to task and stays the same for each.

`H` is any value of the field, `H(0-29)` one of a range, `H/15` every 15 from a value below 15 on. The value
comes from the task's key and the field, so that tasks written alike do not all start in one moment.
"""

from __future__ import annotations

import hashlib
import re

from django.utils.translation import gettext as _

from .cron_dialects import Dialect
from .cron_fields import FieldSpec, read_step, read_value

TERM = re.compile(r"H(?:\((?P<low>\w+)-(?P<high>\w+)\))?(?:/(?P<step>\w*))?", re.ASCII)
#: Every month has the days up to this one.
LAST_SAFE_DAY = 28


def number(key: str, salt: str, size: int) -> int:
    """A number below ``size`` that depends on nothing but the key and the salt."""
    digest = hashlib.sha256(f"{key}\0{salt}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % size


def is_spread(texts: tuple[str, ...]) -> bool:
    """Whether a field leaves a value to the task's key."""
    return any(term.startswith(("H", "h")) for text in texts for term in text.split(","))


def settle(dialect: Dialect, texts: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The texts with numbers in the place of each `H`. Raises InvalidTrigger."""
    return tuple(
        ",".join(_settled(spec, term, key) for term in text.split(","))
        if is_spread((text,)) and spec.key != "year"
        else text
        for spec, text in zip(dialect.fields, texts, strict=True)
    )


def _settled(spec: FieldSpec, term: str, key: str) -> str:
    upper = term.upper()
    if not upper.startswith("H"):
        return term
    found = TERM.fullmatch(upper)
    if found is None:
        raise spec.refusal(upper, _("H stands alone, or as in H(1-3), H/2 or H(1-3)/2."))
    low, high = _range(spec, upper, found)
    if found["step"] is None:
        return str(low + number(key, spec.key, high - low + 1))
    step = read_step(spec, upper, found["step"])
    first = low + number(key, spec.key, min(step, high - low + 1))
    return f"{first}-{high}/{step}"


def _range(spec: FieldSpec, term: str, found: re.Match[str]) -> tuple[int, int]:
    if found["low"] is None:
        high = {"day": LAST_SAFE_DAY, "day_of_week": spec.low + 6}.get(spec.key, spec.high)
        return spec.low, high
    low, high = read_value(spec, term, found["low"]), read_value(spec, term, found["high"])
    if high < low:
        raise spec.refusal(term, _("The range ends before it begins; write two ranges or a list instead."))
    return low, high
