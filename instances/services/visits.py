"""What the last visit to an instance found, written on the instance."""

from __future__ import annotations

import dataclasses

from instances.dialects.readings import ServerReading
from instances.exceptions import DialectError, InstancesError, OptionsInvalid
from instances.models import Instance
from jobsite.crypto import CryptoError
from scheduling import clock
from scheduling.text import MESSAGE_BYTES, storable, storable_characters

#: What may go wrong with one instance without being a mistake in the program.
FAILURES = (DialectError, OptionsInvalid, CryptoError, LookupError)


def succeeded(instance: Instance, reading: ServerReading) -> None:
    told = {} if reading.rights is None else {"rights": dataclasses.asdict(reading.rights)}
    _write(
        instance,
        **told,
        status=Instance.Status.OK,
        last_error="",
        last_connected_at=clock.now(),
        version=storable_characters(f"{reading.product}: {reading.version}", 300),
        main_version=storable_characters(reading.main_version, 50),
    )


def failed(instance: Instance, error: BaseException) -> None:
    _write(instance, status=Instance.Status.FAILED, last_error=sentence(error))


def sentence(error: BaseException) -> str:
    """The error as text that may be stored and shown."""
    text = str(error) or type(error).__name__
    if not isinstance(error, InstancesError | CryptoError):
        text = f"{type(error).__name__}: {text}"
    return storable(text, MESSAGE_BYTES)


def code(error: BaseException) -> str:
    """Stable, for programs."""
    return error.code if isinstance(error, DialectError) else type(error).__name__[:40]


def _write(instance: Instance, **values: object) -> None:
    # Only these columns: an edit made meanwhile stays.
    Instance.objects.filter(pk=instance.pk).update(**values)
    for name, value in values.items():
        setattr(instance, name, value)
