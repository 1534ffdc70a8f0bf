"""One body for every refusal: ``{"type": …, "errors": [{"code", "detail", "attr"}]}``, whoever refuses."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from rest_framework import exceptions, status
from rest_framework.fields import get_error_detail

#: Where a sentence stands that is about the request as a whole.
WHOLE = "non_field_errors"


class Conflict(exceptions.APIException):
    """Understood, but not possible in the present state."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class PreconditionFailed(exceptions.APIException):
    """The caller has said what it has seen (If-Match), and that is no longer so."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "edited_meanwhile"


class TooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class KeyReused(exceptions.APIException):
    """The idempotency key came before, with another request."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency_key_reused"


class Unavailable(exceptions.APIException):
    """The database does not answer, or is too busy: the same request may be sent again."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "database_unavailable"
    wait = 2


def from_django(error: ValidationError) -> exceptions.ValidationError:
    """The same sentences and codes at the same fields."""
    details: Any = get_error_detail(error)
    if isinstance(details, dict) and NON_FIELD_ERRORS in details:
        details[WHOLE] = details.pop(NON_FIELD_ERRORS)
    return exceptions.ValidationError(details if isinstance(details, dict) else {WHOLE: details})
