"""What a managed server said, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerReading:
    """The answer to a connection test."""

    #: As the server says it, in full.
    version: str
    #: The leading numbers, for comparing and for lists: "15.20", "10.11.19".
    main_version: str
    #: The product, where one dialect speaks to several: "MariaDB", "MySQL".
    product: str
    #: From the first packet until the answer to the first statement.
    latency_ms: float


@dataclass(frozen=True, slots=True)
class DatabaseSizeReading:
    """The size of one database now, in bytes. None: the server does not tell."""

    #: Exactly as the server spells it.
    name: str
    #: What the database occupies, as far as the server tells.
    total_bytes: int | None
    #: Rows and indexes apart, where the server keeps them apart.
    data_bytes: int | None = None
    index_bytes: int | None = None
    #: Why a number is missing or not the whole; empty when nothing is missing.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SizesReading:
    """All databases of one server at one moment."""

    server: ServerReading
    databases: tuple[DatabaseSizeReading, ...]
    #: What limits the reading as a whole, such as a missing right.
    notes: tuple[str, ...] = field(default=())
