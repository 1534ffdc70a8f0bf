"""Fields for the parameters of a function, made from the JSON Schema of its signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from scheduling import registry
from scheduling.exceptions import ParametersInvalid, UnknownFunction
from scheduling.parameters import WHOLE

#: How an item of a list is written, by its type in the schema; others are written as JSON.
PLAIN = ("string", "integer", "number")
#: A text that may be longer than this is written in lines: code, statements.
LONG = 4_096
MOMENTS = {"date": "date", "date-time": "datetime"}


@dataclass(frozen=True, slots=True)
class ParameterField:
    """One parameter as a person sees it."""

    name: str
    #: text, lines, integer, number, boolean, choice, list, date, datetime or json: which input stands for it.
    kind: str
    label: str
    description: str = ""
    required: bool = False
    #: What holds when it is left empty, as JSON; "" when it is required.
    default: str = ""
    #: What one item of a list is.
    items: str = ""
    #: Pairs of JSON text and words.
    choices: list[tuple[str, str]] = field(default_factory=list)
    #: What else the schema demands, in words.
    limits: str = ""
    errors: list[str] = field(default_factory=list)


def fields_of(
    function: str, values: object = None, *, check: bool = False
) -> tuple[list[ParameterField], list[str]]:
    """The fields of the function's parameters, and what is wrong with the values as a whole.

    ``check``: each field carries what is wrong with its value. Raises UnknownFunction.
    """
    registered = registry.get(function)
    errors: dict[str, list[str]] = {}
    if check:
        try:
            registered.validate(values)  # type: ignore[arg-type]  # it says so itself
        except ParametersInvalid as error:
            errors = error.errors
    schema = registered.schema
    required = schema.get("required", ())
    fields = [
        _field(name, part, schema.get("$defs", {}), name in required, errors.pop(name, []))
        for name, part in schema["properties"].items()
    ]
    whole = errors.pop(WHOLE, [])
    return fields, [*whole, *(f"{name}: {text}" for name, texts in errors.items() for text in texts)]


def has_parameters(function: str) -> bool:
    """Whether the function is known and takes any."""
    try:
        return bool(registry.get(function).schema["properties"])
    except UnknownFunction:
        return False


def _field(
    name: str, part: Mapping[str, Any], definitions: Mapping[str, Any], required: bool, errors: list[str]
) -> ParameterField:
    core = _core(part, definitions)
    kind, items, choices = _kind(core)
    said = part.get("description", "")
    default = "" if required else json.dumps(part.get("default"), ensure_ascii=False)
    return ParameterField(
        name=name,
        kind=kind,
        label=name.replace("_", " ").capitalize(),
        description=_(said) if said else "",  # of the functions that come along: parameter_words.py
        required=required,
        default="" if default == "null" else default,
        items=items,
        choices=choices,
        limits=_limits(core),
        errors=errors,
    )


def _core(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference, and without the null that an optional value may be."""
    if "$ref" in part:
        return _core(definitions.get(part["$ref"].rpartition("/")[2], {}), definitions)
    several = [entry for entry in part.get("anyOf", ()) if entry.get("type") != "null"]
    return _core(several[0], definitions) if len(several) == 1 else part


def _kind(core: Mapping[str, Any]) -> tuple[str, str, list[tuple[str, str]]]:
    values = core.get("enum", [core["const"]] if "const" in core else [])
    if values:
        return "choice", "", [(json.dumps(value, ensure_ascii=False), str(value)) for value in values]
    match core.get("type"):
        case "string":
            text = "lines" if core.get("maxLength", 0) > LONG else "text"
            return MOMENTS.get(core.get("format", ""), text), "", []
        case "integer" | "number" | "boolean" as kind:
            return kind, "", []
        case "array" if _is_plain(core.get("items", {})):
            return "list", core["items"]["type"], []
    return "json", "", []


def _is_plain(items: Mapping[str, Any]) -> bool:
    return items.get("type") in PLAIN and "format" not in items


def _limits(core: Mapping[str, Any]) -> str:
    """The bounds of a number, in words; what is wrong otherwise is said when it is wrong."""
    least, most = core.get("minimum"), core.get("maximum")
    if least is not None and most is not None:
        return _("From %(least)s to %(most)s.") % {"least": least, "most": most}
    if least is not None:
        return _("At least %(least)s.") % {"least": least}
    return _("At most %(most)s.") % {"most": most} if most is not None else ""
