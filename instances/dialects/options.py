"""Connection options as people write them, read into a plain value. Only what is listed here reaches a
driver.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from instances.dialects.target import TLS_MODES, ConnectionOptions
from instances.exceptions import OptionsInvalid
from scheduling.words import did_you_mean

#: Seconds that one may wait at most, for a connection and for the statements of a visit.
MOST_CONNECT_SECONDS = 60
MOST_STATEMENT_SECONDS = 3_600
LEAST_SECONDS = 0.1

NAMES = tuple(field.name for field in dataclasses.fields(ConnectionOptions))


def parse(raw: Any) -> ConnectionOptions:
    """Raises ``OptionsInvalid`` with one sentence for each thing that is wrong."""
    if not isinstance(raw, Mapping):
        raise OptionsInvalid(
            [_("Options are a mapping; allowed names: {names}.").format(names=", ".join(NAMES))]
        )
    wrong = [
        _("There is no option {name}.").format(name=repr(str(name)[:80])) + did_you_mean(str(name), NAMES)
        for name in raw
        if name not in NAMES
    ]
    wrong += [
        sentence for name, value in raw.items() if name in NAMES and (sentence := RULES[name](name, value))
    ]
    if not wrong and raw.get("tls") in ("verify-ca", "verify-full") and not raw.get("tls_ca"):
        wrong.append(
            _("tls: “{mode}” needs tls_ca, the file with the authorities' certificates.").format(
                mode=raw["tls"]
            )
        )
    if wrong:
        raise OptionsInvalid(wrong)
    return ConnectionOptions(**raw)


def _tls(name: str, value: Any) -> str:
    if value in TLS_MODES:
        return ""
    return _("{name}: {value} is not allowed; use one of {modes}.").format(
        name=name, value=repr(value)[:80], modes=", ".join(TLS_MODES)
    )


def _path(name: str, value: Any) -> str:
    if isinstance(value, str) and (not value or (value.startswith("/") and "\0" not in value)):
        return ""
    return _("{name}: {value} is not the absolute path of a file.").format(name=name, value=repr(value)[:80])


def _seconds(most: float) -> Callable[[str, Any], str]:
    def rule(name: str, value: Any) -> str:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and LEAST_SECONDS <= value <= most:  # NaN fails both comparisons
            return ""
        return _("{name}: {value} is not allowed; give seconds from {least:g} to {most:g}.").format(
            name=name, value=repr(value)[:80], least=LEAST_SECONDS, most=most
        )

    return rule


RULES: dict[str, Callable[[str, Any], str]] = {
    "tls": _tls,
    "tls_ca": _path,
    "connect_timeout_seconds": _seconds(MOST_CONNECT_SECONDS),
    "statement_timeout_seconds": _seconds(MOST_STATEMENT_SECONDS),
}
