"""Schemathesis over the whole document: whatever is sent, no fault of the program and no answer that it does not tell.

Cases are drawn from the schema, fitting and unfitting, half of them with names that exist; each one's writes are
taken back. The draw is the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from django.contrib.auth import get_user_model
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobsite import tokens
from tests.api import world
from tests.api.doors import Door, doors

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Of each kind for each door: enough to meet each sort of value at each place.
EXAMPLES = 8
TOLD = [door for door in doors() if str(door) != "GET health/"]


@cache
def document() -> Any:
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
    schema.app = get_wsgi_application()
    return schema


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """The end of a request leaves the test's own connection alone, as with Django's test client."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.usefixtures("standing_world", "_one_connection")
@pytest.mark.parametrize("door", TOLD, ids=str)
def test_whatever_is_sent_the_answer_is_told(door: Door) -> None:
    user = get_user_model().objects.create_superuser("root")
    headers = {"Authorization": f"Token {tokens.make(user)[1]}"}
    path = "/api/v1/" + door.place.replace("{pk}", "{id}")
    operation = document()[path][door.method]
    real = world.address(door, user)
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, known=st.booleans())
    def ask(case: Any, known: bool) -> None:
        if known and case.path_parameters:
            name = next(
                part
                for part, shape in zip(real.split("/"), door.place.split("/"), strict=True)
                if "{" in shape
            )
            case.path_parameters = dict.fromkeys(case.path_parameters, name)
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        if door.place == "health":  # here, 503 is an answer like any other
            assert answer.status_code in (200, 503)
            case.validate_response(answer, checks=CHECKS[1:])
        else:
            case.validate_response(answer, checks=CHECKS)

    ask()
