"""What a managed server said, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from instances.dialects.grants import Grant


@dataclass(frozen=True, slots=True)
class MissingRight:
    """Something that this program would like to do, and the statement that would let it."""

    purpose: str
    statement: str


@dataclass(frozen=True, slots=True)
class RightsReading:
    """What the user may do of that for which this program comes."""

    found: tuple[str, ...]
    missing: tuple[MissingRight, ...]


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
    #: Told by a connection test only.
    rights: RightsReading | None = None


@dataclass(frozen=True, slots=True)
class AccountReading:
    """One account as the server keeps it now."""

    #: How people write it, exactly as the server spells its parts: ``app``, ``app@10.0.%``.
    name: str
    username: str
    #: MySQL's half after the "@"; empty elsewhere.
    host: str = ""
    #: "user" may log in, "role" is held by others, "public" is everybody.
    kind: str = "user"
    superuser: bool = False
    #: It exists, but cannot log in.
    locked: bool = False
    #: May it make accounts, or give others rights on everything.
    grant_admin: bool = False
    #: From when on it, or its password, is of no use; None: never.
    expires_at: datetime | None = None
    #: What else the server keeps of it, by stable English names; plain JSON.
    attributes: dict[str, Any] = field(default_factory=dict)
    #: Stays the same when the account is renamed; empty where the server has no such number.
    server_id: str = ""
    #: None: the server does not tell this user.
    grants: tuple[Grant, ...] | None = None


@dataclass(frozen=True, slots=True)
class AccountsReading:
    """All accounts of one server at one moment."""

    server: ServerReading
    accounts: tuple[AccountReading, ...]
    #: Databases whose inside could not be read: what is known of it still holds.
    unread_databases: tuple[str, ...] = ()
    #: What limits the reading, such as a missing right.
    notes: tuple[str, ...] = ()


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
    #: Is a database that is not in it certainly not there?
    complete: bool = False
