"""What is said of anything that a view raises. Apart from the errors, which the framework imports first."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import DatabaseError, IntegrityError, InterfaceError
from django.db.models import ProtectedError
from django.utils.translation import gettext as _
from drf_standardized_errors.handler import ExceptionHandler
from rest_framework import exceptions

from jobsite.rest.errors import Conflict, TooLarge, Unavailable, from_django
from scheduling.exceptions import FieldErrors, Refused
from scheduling.sql.transactions import Fault, classify


class Handler(ExceptionHandler):
    def convert_known_exceptions(self, exc: Exception) -> Exception:
        found = _as_answer(exc)
        return found if found is not None else super().convert_known_exceptions(exc)


def _as_answer(error: Exception) -> Any:
    """What the services and Django raise, as an answer; None: it is none of those."""
    if isinstance(error, ValidationError):
        return from_django(error)
    if isinstance(error, FieldErrors):
        return exceptions.ValidationError(error.errors)
    if isinstance(error, Refused) and error.code == "built_in":
        return exceptions.PermissionDenied(str(error), error.code)
    if isinstance(error, Refused):
        return Conflict(str(error), error.code)
    if isinstance(error, ProtectedError):
        return Conflict(str(error.args[0]), "in_use")
    if isinstance(error, PermissionDenied) and str(error):
        return exceptions.PermissionDenied(str(error))
    if isinstance(error, RequestDataTooBig):
        return TooLarge(_("The request is too large."))
    if isinstance(error, IntegrityError):
        return Conflict(_("Somebody else has stored the same a moment ago. Ask again."))
    if isinstance(error, DatabaseError | InterfaceError) and classify(error) is not Fault.OTHER:
        return Unavailable(_("The database does not answer in time. Ask again."))
    return None
