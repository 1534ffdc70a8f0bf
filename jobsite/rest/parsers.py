"""JSON as every database can store it. What cannot be stored is refused here, by name, before anybody uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser

from jobsite.rest.errors import WHOLE
from scheduling.text import LEAST_INTEGER, MAX_DEPTH, MOST_INTEGER, clean

#: Lists and objects within each other; a value's own limit (scheduling.text) counts from its field.
MOST_DEPTH = MAX_DEPTH + 2
#: Faults that are told of one request.
MOST_TOLD = 20


class StorableJSONParser(JSONParser):
    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            data = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError(_("The JSON is nested too deeply.")) from None
        faults: dict[str, list[str]] = {}
        for path, sentence in _faults(data, "", MOST_DEPTH):
            faults.setdefault(path or WHOLE, []).append(sentence)
            if len(faults) == MOST_TOLD:
                break
        if faults:
            raise ValidationError(faults)
        return data


def _faults(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if clean(value) != value:
            yield path, _("must not contain the NUL character or half of a surrogate pair")
    elif isinstance(value, int):
        if not LEAST_INTEGER <= value <= MOST_INTEGER:
            yield path, _("must be an integer of at most 64 bits")
    elif isinstance(value, float):
        if value - value != 0:  # 1e999
            yield path, _("must be a finite number")
    elif isinstance(value, dict | list):
        if depth == 0:
            yield path, _("is nested more than %s deep") % MOST_DEPTH
            return
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for name, part in parts:
            if isinstance(name, str) and clean(name) != name:
                yield path, _("must not contain the NUL character or half of a surrogate pair")
                continue
            yield from _faults(part, f"{path}.{name}"[:200] if path else str(name)[:200], depth - 1)
