"""Signatures as JSON Schema, and JSON values against signatures."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue

from scheduling.exceptions import ParametersInvalid
from scheduling.parameters import DIALECT, Parameters


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Range(BaseModel):
    low: int
    high: int = 9


def collect(
    limit: Annotated[int, Field(ge=1, le=100)],
    ratio: float = 0.5,
    name: str = "all",
    loud: bool = False,
    since: date | None = None,
    at: datetime | None = None,
    price: Decimal = Decimal("1.5"),
    mode: Literal["fast", "slow"] = "fast",
    colour: Colour = Colour.RED,
    hosts: list[str] = [],  # noqa: B006
    weights: dict[str, int] = {},  # noqa: B006
    times: list[datetime] = [],  # noqa: B006
    either: int | str = 1,
    anything: JsonValue = None,
    span: Range = Range(low=1),  # noqa: B008
    schema: int = 0,
    _hidden: int = 0,
    described: Annotated[int, Field(description="Said in the annotation.")] = 0,
    from_field: int = Field(default=3, le=9),
) -> None:
    """Collects things.

    Args:
        limit: How many,
            at most.
        name (str): Whose.
        described: Said in the docstring.
        unknown: Not a parameter.
    """


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return Parameters(collect)


def nothing() -> None: ...


def test_schema_of_a_function_without_parameters() -> None:
    assert Parameters(nothing).schema == {
        "$schema": DIALECT,
        "title": "nothing",
        "description": "",
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert Parameters(nothing).validate({}) == {}


def test_schema_names_types_defaults_enums_and_descriptions(parameters: Parameters) -> None:
    schema = parameters.schema
    properties = schema["properties"]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["description"] == "Collects things."
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["limit"]
    assert list(properties)[:3] == ["limit", "ratio", "name"]
    assert properties["limit"] == {
        "title": "Limit",
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "How many, at most.",
    }
    assert properties["name"] == {
        "title": "Name",
        "type": "string",
        "default": "all",
        "description": "Whose.",
    }
    assert properties["mode"]["enum"] == ["fast", "slow"]
    assert schema["$defs"]["Colour"]["enum"] == ["red", "blue"]
    assert properties["colour"]["default"] == "red"
    assert properties["since"]["anyOf"] == [{"format": "date", "type": "string"}, {"type": "null"}]
    assert properties["times"]["items"] == {"format": "date-time", "type": "string"}
    assert properties["described"]["description"] == "Said in the annotation."
    assert (properties["from_field"]["maximum"], properties["from_field"]["default"]) == (9, 3)
    assert {"schema", "_hidden"} <= set(properties)


GOOD: list[tuple[dict[str, Any], str, Any]] = [
    ({}, "ratio", 0.5),
    ({}, "hosts", []),
    ({}, "colour", Colour.RED),
    ({}, "from_field", 3),
    ({"ratio": 2}, "ratio", 2.0),
    ({"name": "库 🐘"}, "name", "库 🐘"),
    ({"since": "2026-01-31"}, "since", date(2026, 1, 31)),
    ({"since": None}, "since", None),
    ({"at": "2026-01-31T08:30:00Z"}, "at", datetime(2026, 1, 31, 8, 30, tzinfo=UTC)),
    ({"times": ["2026-01-31T08:30:00+00:00"]}, "times", [datetime(2026, 1, 31, 8, 30, tzinfo=UTC)]),
    ({"price": "12.30"}, "price", Decimal("12.30")),
    ({"price": 3}, "price", Decimal(3)),
    ({"mode": "slow"}, "mode", "slow"),
    ({"colour": "blue"}, "colour", Colour.BLUE),
    ({"hosts": ["a", "b"]}, "hosts", ["a", "b"]),
    ({"hosts": ("a",)}, "hosts", ["a"]),
    ({"weights": {"a": 1}}, "weights", {"a": 1}),
    ({"either": "x"}, "either", "x"),
    ({"anything": [1, {"a": [None, True]}]}, "anything", [1, {"a": [None, True]}]),
    ({"span": {"low": 2}}, "span", Range(low=2)),
    ({"schema": 5}, "schema", 5),
    ({"_hidden": 6}, "_hidden", 6),
]


@pytest.mark.parametrize(("values", "name", "typed"), GOOD)
def test_good_values_become_typed(
    parameters: Parameters, values: dict[str, Any], name: str, typed: Any
) -> None:
    validated = parameters.validate({"limit": 5, **values})
    assert validated[name] == typed
    assert type(validated[name]) is type(typed)


def test_defaults_are_not_shared_between_runs(parameters: Parameters) -> None:
    parameters.validate({"limit": 1})["hosts"].append("x")
    assert parameters.validate({"limit": 1})["hosts"] == []


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def nested_objects(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


BAD: list[tuple[dict[Any, Any], str, str]] = [
    # values, the field of the error, what it must say
    ({"limit": "5"}, "limit", "must be an integer"),
    ({"limit": True}, "limit", "must be an integer"),
    ({"limit": 5.0}, "limit", "must be an integer"),
    ({"limit": None}, "limit", "must be an integer"),
    ({"limit": 0}, "limit", "at least 1"),
    ({"limit": 101}, "limit", "at most 100"),
    ({"limit": 2**64}, "limit", "64 bits"),
    ({"ratio": "0.5"}, "ratio", "must be a number"),
    ({"ratio": True}, "ratio", "must be a number"),
    ({"ratio": float("nan")}, "ratio", "finite"),
    ({"ratio": float("inf")}, "ratio", "finite"),
    ({"name": 5}, "name", "must be text"),
    ({"name": "a\x00b"}, "name", "NUL"),
    ({"name": "\ud800"}, "name", "surrogate"),
    ({"loud": 1}, "loud", "true or false"),
    ({"loud": "yes"}, "loud", "true or false"),
    ({"since": "31.1.2026"}, "since", "2026-01-31"),
    ({"since": "2026-02-30"}, "since", "2026-01-31"),
    ({"since": 5}, "since", "2026-01-31"),
    ({"at": "5"}, "at", "2026-01-31T08:30:00Z"),
    ({"at": 5}, "at", "2026-01-31T08:30:00Z"),
    ({"at": "-5"}, "at", "2026-01-31T08:30:00Z"),
    ({"times": ["2026-01-31T08:30:00Z", "5"]}, "times", "1: "),
    ({"at": "tomorrow"}, "at", "2026-01-31T08:30:00Z"),
    ({"at": "2026-01-31"}, "at", "2026-01-31T08:30:00Z"),
    ({"mode": "quick"}, "mode", "'fast', 'slow'"),
    ({"colour": "green"}, "colour", "'red', 'blue'"),
    ({"colour": "RED"}, "colour", "'red', 'blue'"),
    ({"hosts": "a,b"}, "hosts", "must be a list"),
    ({"hosts": ["a", 5]}, "hosts", "1: must be text"),
    ({"weights": {"a": "1"}}, "weights", "a: must be an integer"),
    ({"weights": {1: 1}}, "weights", "names of type text"),
    ({"either": 1.5}, "either", "must be"),
    ({"span": {"low": "1"}}, "span", "low: must be an integer"),
    ({"span": {"high": 2}}, "span", "low: is required"),
    ({"span": 5}, "span", "must be an object"),
    ({"lmit": 5}, "lmit", "Did you mean 'limit'?"),
    ({"p0": 5}, "p0", "no such parameter"),
    ({"from_field": 10}, "from_field", "at most 9"),
    ({"anything": object()}, "anything", "a Python object is not"),
    ({"anything": {1, 2}}, "anything", "a Python set is not"),
    ({"anything": b"x"}, "anything", "a Python bytes is not"),
    ({"anything": {"\x00": 1}}, "anything", "NUL"),
    ({"anything": nested(20)}, "anything", "more than 20 deep"),
    ({"anything": nested_objects(20)}, "anything", "more than 20 deep"),
    ({"anything": nested(900)}, "anything", "more than 20 deep"),
    ({"anything": "x" * 65_536}, "parameters", "limit is 65536"),
    ({"anything": "库" * 22_000}, "parameters", "limit is 65536"),
    ({5: 1}, "parameters", "must be text"),
]


@pytest.mark.parametrize(("values", "field", "words"), BAD, ids=[f"{row[1]}-{row[2]}" for row in BAD])
def test_bad_values_are_refused_by_field(
    parameters: Parameters, values: dict[Any, Any], field: str, words: str
) -> None:
    with pytest.raises(ParametersInvalid) as caught:
        parameters.validate({"limit": 5, **values})
    assert list(caught.value.errors) == [field]
    assert words in " ".join(caught.value.errors[field])


def test_every_bad_parameter_is_named_at_once(parameters: Parameters) -> None:
    with pytest.raises(ParametersInvalid) as caught:
        parameters.validate({"ratio": "x", "nmae": 1})
    assert set(caught.value.errors) == {"limit", "ratio", "nmae"}
    assert caught.value.errors["limit"] == ["is required"]


@pytest.mark.parametrize("values", [[], None, "x", 5, [["limit", 5]]])
@pytest.mark.parametrize("function", [collect, nothing])
def test_parameters_must_be_an_object(function: Callable[..., Any], values: Any) -> None:
    with pytest.raises(ParametersInvalid, match="must be an object"):
        Parameters(function).validate(values)


def test_a_function_without_parameters_takes_none() -> None:
    with pytest.raises(ParametersInvalid) as caught:
        Parameters(nothing).validate({"limit": 5})
    assert "no such parameter" in caught.value.errors["limit"][0]


def test_what_just_fits_is_taken(parameters: Parameters) -> None:
    parameters.validate({"limit": 5, "anything": nested(19)})
    parameters.validate({"limit": 5, "anything": "x" * 65_000})
