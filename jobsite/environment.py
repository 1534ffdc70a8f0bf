"""Typed readers of environment variables: each name is read once, by ``settings``, and fails loudly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
PERIODS = ("second", "minute", "hour", "day")

#: URL scheme → Django's database backend.
ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "mysql": "jobsite.mysql",
    "mariadb": "jobsite.mysql",
}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(
        f"{name}={value!r} is not a yes or no: use one of {sorted(TRUE)} or {sorted(FALSE)}."
    )


def whole(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number ({least} to {most}).") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name}={number} is out of range: {least} to {most} is allowed.")
    return number


def number(name: str, default: float, *, least: float, most: float) -> float:
    value = text(name)
    if not value:
        return default
    try:
        result = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a number ({least:g} to {most:g}).") from None
    if not least <= result <= most:  # also refuses NaN
        raise ImproperlyConfigured(f"{name}={value} is out of range: {least:g} to {most:g} is allowed.")
    return result


def rate(name: str, default: str) -> str:
    """So many a second, minute, hour or day, such as ``600/minute``."""
    value = text(name) or default
    number, _slash, period = value.partition("/")
    if not (number.isascii() and number.isdecimal() and 1 <= int(number[:9]) <= 10**8 and period in PERIODS):
        raise ImproperlyConfigured(
            f"{name}={value!r} is no rate: a whole number, / and one of {', '.join(PERIODS)}, such as 600/minute."
        )
    return value


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default) or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not known: use one of {', '.join(allowed)}.")
    return value


def words(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A comma-separated list; empty entries are dropped."""
    value = text(name)
    return [word.strip() for word in value.split(",") if word.strip()] if value else list(default)


def folder(name: str, default: Path | None) -> Path | None:
    """An absolute folder (it need not exist yet); an empty variable means the default."""
    value = text(name)
    if not value:
        return default
    path = Path(value).expanduser()
    if not path.is_absolute():
        raise ImproperlyConfigured(f"{name}={value!r} is not an absolute path.")
    return path


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings for one database, from a URL such as ``postgres://user:password@host:5432/name``.

    Options after ``?`` are handed to the driver as text. ``sqlite:////absolute/path`` names a file.
    """
    return database_from(name, text(name, default) or default)


def databases(name: str) -> list[dict[str, Any]]:
    """Any number of such URLs with commas between them (in a password, a comma is written ``%2C``)."""
    return [database_from(name, url) for url in words(name)]


def database_from(name: str, value: str) -> dict[str, Any]:
    """The same from a URL at hand; ``name`` is what a message calls it."""
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not a database URL: {error}.") from None
    if url.scheme not in ENGINES:
        allowed = ", ".join(f"{scheme}://" for scheme in ENGINES)
        raise ImproperlyConfigured(f"{name} begins with {url.scheme or 'nothing'}://: use one of {allowed}.")
    if url.scheme == "sqlite":
        path = unquote(url.path)
        if url.netloc or not path.startswith("/") or path == "/":
            raise ImproperlyConfigured(
                f"{name} must name a file by its absolute path: sqlite:////folder/file.sqlite3."
            )
        return {
            "ENGINE": ENGINES["sqlite"],
            "NAME": path[1:] if path.startswith("//") else path,
            "OPTIONS": {},
        }
    database_name = unquote(url.path.removeprefix("/"))
    if not database_name or not url.hostname:
        raise ImproperlyConfigured(
            f"{name} needs a host and a database: {url.scheme}://user:password@host:port/database."
        )
    return {
        "ENGINE": ENGINES[url.scheme],
        "NAME": database_name,
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname,
        "PORT": str(port or ""),
        "OPTIONS": dict(parse_qsl(url.query)),
    }


#: Schemes of mail servers: plain (or TLS by STARTTLS when the server is asked for it), and TLS from the first byte.
MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


def mail_server(name: str) -> dict[str, Any] | None:
    """A mail server from ``NAME_URL`` (``smtp://``, ``smtp+tls://`` for STARTTLS, ``smtps://``), or from
    ``NAME_HOST``, ``_PORT``, ``_USER``, ``_PASSWORD`` and ``_TLS`` (none, starttls, tls). None: neither is set.
    """
    value = text(f"{name}_URL")
    if not value:
        host = text(f"{name}_HOST")
        tls = choice(f"{name}_TLS", "none", ("none", "starttls", "tls"))
        scheme = {"none": "smtp", "starttls": "smtp+tls", "tls": "smtps"}[tls]
        port = whole(f"{name}_PORT", MAIL_PORTS[scheme], least=1, most=65_535)
        user, password = text(f"{name}_USER"), text(f"{name}_PASSWORD")
        return _mail_server(scheme, host, port, user, password) if host else None
    try:
        url = urlsplit(value)
        port = url.port or MAIL_PORTS.get(url.scheme, 0)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}_URL is not the URL of a mail server: {error}.") from None
    if url.scheme not in MAIL_PORTS or not url.hostname:
        raise ImproperlyConfigured(
            f"{name}_URL needs the form smtp://user:password@host:port (or smtp+tls://, or smtps://)."
        )
    return _mail_server(
        url.scheme, url.hostname, port, unquote(url.username or ""), unquote(url.password or "")
    )


def _mail_server(scheme: str, host: str, port: int, user: str, password: str) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "user": user,
        "password": password,
        "starttls": scheme == "smtp+tls",
        "tls": scheme == "smtps",
    }
