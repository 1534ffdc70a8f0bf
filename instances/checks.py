"""What must hold of the stored secrets before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.db.utils import DatabaseError

from jobsite import crypto

#: Names that a message repeats.
MOST_NAMES = 10


@register(Tags.security)
def key_file_is_usable(**_: Any) -> list[CheckMessage]:
    """A key file that exists must be private and whole; one that does not exist yet is made on first use."""
    try:
        if crypto.path().exists():
            crypto.keyring()
    except crypto.CryptoError as error:
        return [Error(str(error), id="instances.E001")]
    except OSError as error:
        return [Error(f"The key file cannot be read: {error}", id="instances.E001")]
    return []


@register(Tags.database)
def credentials_can_be_decrypted(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    from instances.models import Credential
    from instances.services import credentials

    if "default" not in (databases or []):
        return []
    try:
        tables = connections["default"].introspection.table_names()
        found = credentials.unreadable() if Credential._meta.db_table in tables else []
    except (crypto.CryptoError, OSError):
        return []  # instances.E001 says so
    except DatabaseError:
        return []  # jobsite.E002 says so, or the columns are yet to come by a migration
    if not found:
        return []
    names = ", ".join(f"{name} (key {key_id})" for name, key_id in found[:MOST_NAMES])
    return [
        Error(
            f"{len(found)} stored passwords cannot be decrypted with {crypto.path()}: {names}.",
            hint="Put back the key file that belongs to this database (JOBSITE_KEY_FILE), "
            "or give these credentials their passwords anew.",
            id="instances.E002",
        )
    ]
