"""What pages and mails show instead of secrets. A second wall: secrets do not belong into parameters or messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "••••••"

#: Names of what is no one else's business.
SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|secret|token$|api_?key|private_?key|credential_?value", re.IGNORECASE
)
#: A password in an address: scheme://user:password@host.
_IN_URL = re.compile(r"(?<=://)([^\s:/@]*):([^\s@]+)@")
#: name=value or name: value, quoted or not.
_NAMED = re.compile(
    r"(?i)\b((?:password|passwd|passphrase|secret|token|api_?key|authorization)['\"]?\s*[:=]\s*)"
    r"(\"[^\"]*\"|'[^']*'|(?:bearer|basic)\s+\S+|[^\s,;&)}\]]+)"
)


def masked_text(text: str) -> str:
    """The text without what looks like a password in it."""
    return _NAMED.sub(rf"\1{MASK}", _IN_URL.sub(rf"\1:{MASK}@", text))


def masked_values(values: Any, schema: Mapping[str, Any] | None = None) -> Any:
    """Parameters as they may be shown: secrets masked, references to stored secrets as their name.

    A parameter is secret when the function's JSON Schema says so (``writeOnly``, ``format: password``), or its name.
    """
    if not isinstance(values, Mapping) or _is_reference(values):
        return _masked(values)
    properties = schema.get("properties", {}) if schema else {}
    return {
        name: MASK if _hides(name, properties.get(name), value) else _masked(value)
        for name, value in values.items()
    }


def restored(values: Any, before: Any) -> Any:
    """Values that came back from a page: what is masked in them is what it was before."""
    if isinstance(values, Mapping) and isinstance(before, Mapping):
        return {name: restored(value, before.get(name)) for name, value in values.items()}
    if isinstance(values, list) and isinstance(before, list) and len(values) == len(before):
        return [restored(value, old) for value, old in zip(values, before, strict=True)]
    hidden = isinstance(values, str) and MASK in values and values in (MASK, _masked(before))
    return before if hidden else values


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        if _is_reference(value):
            return dict(value)  # a name, no secret
        return masked_values(value)
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return _IN_URL.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value


def _is_reference(value: Mapping[str, Any]) -> bool:
    return set(value) == {"$secret"}


def _hides(name: str, property_: Any, value: Any) -> bool:
    if value is None or value == "" or (isinstance(value, Mapping) and _is_reference(value)):
        return False
    return _is_secret(name, property_)


def _is_secret(name: str, property_: Any) -> bool:
    said = isinstance(property_, Mapping) and (
        property_.get("writeOnly") is True or property_.get("format") == "password"
    )
    return said or bool(SECRET_NAME.search(str(name)))
