"""Where and how to connect, as a plain value."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Modes of TLS, weakest first, with the meaning libpq gives them.
TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How to connect. An instance's ``options`` hold exactly these names."""

    #: One of TLS_MODES.
    tls: str = "prefer"
    #: Absolute path of the file with the authorities' certificates; needed by the two verifying modes.
    tls_ca: str = ""
    #: From the first packet until the server has let us in.
    connect_timeout_seconds: float = 3
    #: What all statements of one visit may take together.
    statement_timeout_seconds: float = 60


@dataclass(frozen=True, slots=True)
class ConnectionTarget:
    """One managed server as its dialect sees it. The password appears in no repr."""

    host: str = ""
    port: int | None = None
    #: The database to connect to; the file of an SQLite instance.
    database: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    options: ConnectionOptions = field(default_factory=ConnectionOptions)

    def scrub(self, text: str) -> str:
        """The text without the password, should a driver or server repeat it."""
        return text.replace(self.password, "•••") if len(self.password) > 3 else text
