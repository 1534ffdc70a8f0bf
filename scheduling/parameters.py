"""What a function takes: the JSON Schema of its signature, and the check of values against it (pydantic 2).

Values come from people and programs as JSON: "5" is not 5, true is not 1, and an unknown name is an error.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Union

from django.utils.translation import gettext as _
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import ErrorDetails, PydanticUndefined

from scheduling import docstrings
from scheduling.exceptions import ParametersInvalid
from scheduling.text import LEAST_INTEGER, MAX_DEPTH, MOST_INTEGER, clean, storable
from scheduling.words import did_you_mean

PARAMETERS_BYTES = 64 * 1024
DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: The key of an error that is about the parameters as a whole.
WHOLE = "parameters"

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class SignatureUnusable(Exception):
    """The function's signature cannot be filled from JSON; ``faults`` has a sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class DefaultsUnusable(SignatureUnusable):
    """A parameter's default does not fit its own annotation."""


class Parameters:
    """The parameters of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises SignatureUnusable (or, of it, DefaultsUnusable)."""
        texts = docstrings.read(function)
        parameters = _named_parameters(function)
        self._names = [parameter.name for parameter in parameters]
        self._model = _model(function, parameters)
        self.schema = _schema(self._model, getattr(function, "__name__", ""), texts)
        self._refuse_bad_defaults()

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The keyword arguments to call the function with, typed, defaults included.

        Raises ParametersInvalid, keyed by parameter; what concerns them all stands under "parameters".
        """
        if not self._names and not values and isinstance(values, Mapping):
            return {}  # most functions, a thousand times a second
        text = _json(values)
        try:
            model = self._model.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise ParametersInvalid(self._by_parameter(error)) from None
        return {name: getattr(model, _field(index)) for index, name in enumerate(self._names)}

    def _by_parameter(self, error: ValidationError) -> dict[str, list[str]]:
        errors: dict[str, list[str]] = {}
        for detail in error.errors(include_url=False, include_context=True, include_input=False):
            place = [str(part) for part in detail["loc"]]
            name = place[0] if place else WHOLE
            if detail["type"] == "extra_forbidden" and len(place) == 1:
                sentence = _("The function has no such parameter.") + did_you_mean(name, self._names)
            else:
                sentence = _sentence(detail)
            within = ".".join(place[1:])
            errors.setdefault(name, []).append(f"{within}: {sentence}" if within else sentence)
        return errors

    def _refuse_bad_defaults(self) -> None:
        faults = []
        for index, name in enumerate(self._names):
            field = _field(index)
            default = self._model.model_fields[field].get_default(
                call_default_factory=True, validated_data={}
            )
            if default is PydanticUndefined:
                continue
            try:
                # In Python's own terms: a date's default is a date, an enum's default a member.
                self._model.__pydantic_validator__.validate_assignment(
                    self._model.model_construct(), field, default
                )
            except ValidationError as error:
                said = "; ".join(_sentence(detail) for detail in error.errors(include_url=False))
                shown = storable(repr(default), 100)
                faults.append(
                    f"the default {shown} of parameter {name!r} does not fit its annotation: {said}"
                )
        if faults:
            raise DefaultsUnusable(faults)


# --- From signature to model ---------------------------------------------------------------------------


def _field(index: int) -> str:
    """The model's fields have names of their own: parameters may be called ``schema``, ``copy``, ``_x``."""
    return f"p{index}"


def _named_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise SignatureUnusable([f"its signature cannot be read: {error}"]) from error
    faults = []
    for parameter in parameters:
        if parameter.kind not in _NAMED:
            shown = str(
                parameter.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty)
            )
            faults.append(f"parameter {shown!r} ({parameter.kind.description}) cannot be given by name")
        elif parameter.annotation is inspect.Parameter.empty:
            faults.append(f"parameter {parameter.name!r} has no annotation")
    if faults:
        raise SignatureUnusable(faults)
    return parameters


def _model(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> type[BaseModel]:
    hints = _hints(function, parameters)
    fields: dict[str, Any] = {}
    faults = []
    for index, parameter in enumerate(parameters):
        alias = Field(alias=parameter.name)
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        definition = (Annotated[_only_iso_times(hints[parameter.name]), alias], default)
        try:
            alone = _build("alone", {"p0": definition})
            _json_schema(alone)
        except (PydanticUserError, TypeError, ValueError) as error:
            shown = inspect.formatannotation(parameter.annotation)
            faults.append(
                f"parameter {parameter.name!r} has the unsupported annotation {shown}: {_first_line(error)}"
            )
        else:
            if alone.model_fields["p0"].validation_alias != parameter.name:
                faults.append(f"parameter {parameter.name!r} has an alias; it is known by its own name only")
        fields[_field(index)] = definition
    if faults:
        raise SignatureUnusable(faults)
    return _build("parameters", fields)


def _build(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    return create_model(name, __config__=_STRICT, **fields)


def _hints(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> dict[str, Any]:
    """The parameters' annotations, evaluated one by one; that of the return value does not matter here."""
    space = getattr(inspect.unwrap(function), "__globals__", {})
    hints: dict[str, Any] = {}
    faults = []
    for parameter in parameters:
        holder = types.SimpleNamespace(__annotations__={"it": parameter.annotation})
        try:
            hints[parameter.name] = typing.get_type_hints(holder, globalns=space, include_extras=True)["it"]
        except (NameError, TypeError, SyntaxError, AttributeError) as error:
            faults.append(f"parameter {parameter.name!r} has an annotation that cannot be evaluated: {error}")
    if faults:
        raise SignatureUnusable(faults)
    return hints


def _iso_time(value: object) -> object:
    """Reads ISO 8601, leaves the rest to be refused: pydantic takes "5" for five seconds into 1970."""
    if not isinstance(value, str) or not {"T", "t", " "} & set(value):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


_IsoTime = Annotated[datetime, BeforeValidator(_iso_time)]


def _only_iso_times(annotation: Any) -> Any:
    """The annotation with every ``datetime`` in it replaced by one that takes ISO 8601 only."""
    if annotation is datetime:
        return _IsoTime
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if datetime not in _leaves(annotation) or origin is typing.Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(_only_iso_times(arguments[0]), *arguments[1:])]
    changed = tuple(_only_iso_times(argument) for argument in arguments)
    return Union[changed] if origin in (Union, types.UnionType) else origin[changed]  # noqa: UP007


def _leaves(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in typing.get_args(annotation):
        yield from _leaves(argument)


def _schema(model: type[BaseModel], title: str, texts: docstrings.Docstring) -> dict[str, Any]:
    schema = _json_schema(model)
    properties = schema.pop("properties", {})
    for name, text in texts.arguments.items():
        if name in properties:
            properties[name].setdefault("description", text)
    head = {"$schema": DIALECT, "title": title, "description": texts.summary, "properties": properties}
    return head | {key: value for key, value in schema.items() if key not in head}


def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    with warnings.catch_warnings():
        # A default without a JSON form is left out of the schema; whether it fits is checked beside.
        warnings.simplefilter("ignore")
        return model.model_json_schema()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". Set ")[0]


# --- From values to JSON text --------------------------------------------------------------------------


def _json(values: Mapping[str, Any]) -> str:
    """The values as JSON text. Refuses, by parameter, what a database could not take."""
    if not isinstance(values, Mapping):
        raise ParametersInvalid({WHOLE: [_("The parameters must be an object: names and values.")]})
    errors: dict[str, list[str]] = {}
    for name, value in values.items():
        if not isinstance(name, str):
            raise ParametersInvalid({WHOLE: [_("Every parameter's name must be text, %r is not.") % (name,)]})
        fault = _fault(value, MAX_DEPTH - 1)
        if fault:
            errors[name] = [fault]
    if errors:
        raise ParametersInvalid(errors)
    text = json.dumps(dict(values), ensure_ascii=False)
    size = len(text.encode(errors="replace"))
    if size > PARAMETERS_BYTES:
        told = {"size": size, "limit": PARAMETERS_BYTES}
        raise ParametersInvalid(
            {WHOLE: [_("The parameters take %(size)s bytes; the limit is %(limit)s.") % told]}
        )
    return text


def _fault(value: Any, depth: int) -> str:
    """What keeps the value from being stored as JSON; empty when nothing does."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return "" if clean(value) == value else _bad_text()
    if isinstance(value, int):
        return "" if LEAST_INTEGER <= value <= MOST_INTEGER else _("must be an integer of at most 64 bits")
    if isinstance(value, float):
        return "" if value - value == 0 else _("must be a finite number")
    if not isinstance(value, dict | list | tuple):
        return _("must be a JSON value, a Python %s is not") % type(value).__name__
    if depth == 0:
        return _("is nested more than %s deep") % MAX_DEPTH
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return _("must have names of type text inside, %r is not") % (key,)
            if clean(key) != key:
                return _bad_text()
    parts = value.values() if isinstance(value, dict) else value
    return next(filter(None, (_fault(part, depth - 1) for part in parts)), "")


def _bad_text() -> str:
    return _("must not contain the NUL character or half of a surrogate pair")


# --- From pydantic's errors to sentences ---------------------------------------------------------------


def _sentence(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return _("is required")
        case "extra_forbidden":
            return _("is not known here")
        case "int_type" | "int_from_float":
            return _("must be an integer (a number without quotes)")
        case "float_type":
            return _("must be a number (without quotes)")
        case "bool_type":
            return _("must be true or false (without quotes)")
        case "string_type":
            return _("must be text (in quotes)")
        case "list_type":
            return _("must be a list")
        case "dict_type" | "model_type" | "dataclass_type":
            return _("must be an object: names and values")
        case "none_required":
            return _("must be null")
        case "literal_error" | "enum":
            return _("must be one of %s") % str(context.get("expected", "")).replace(" or ", ", ")
        case "date_type" | "date_parsing" | "date_from_datetime_parsing":
            return _("must be a date as in 2026-01-31")
        case "datetime_type" | "datetime_parsing" | "datetime_from_date_parsing":
            return _("must be a time as in 2026-01-31T08:30:00Z")
        case "greater_than_equal":
            return str(_("must be at least %s") % context["ge"])
        case "greater_than":
            return str(_("must be greater than %s") % context["gt"])
        case "less_than_equal":
            return str(_("must be at most %s") % context["le"])
        case "less_than":
            return str(_("must be less than %s") % context["lt"])
    return str(detail["msg"]).removeprefix("Value error, ")
