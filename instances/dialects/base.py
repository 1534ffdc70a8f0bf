"""What a dialect must be able to do, and how it is bounded in time."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from instances.dialects import hosts
from instances.dialects.access import Held, Holder
from instances.dialects.readings import AccountsReading, ServerReading, SizesReading
from instances.dialects.tables import Script, Table
from instances.dialects.target import ConnectionTarget
from instances.exceptions import DriverMissing, NotSupported, TimedOut, Unreachable


class Dialect(ABC):
    """One kind of database server. Has no state, so that any number of threads may share it.

    Every method opens its own connection, closes it, and is bounded by the target's two timeouts whatever the
    server does. Failures are ``DialectError`` whose text may be shown and stored: it never holds the
    password.
    """

    #: For people.
    label: ClassVar[str | Promise]
    #: The module of its driver; empty: Python has it.
    driver: ClassVar[str] = ""
    #: The file that lists its driver, where not every installation has it.
    requirements: ClassVar[str] = ""
    #: No test has met a real server: answers of one were written down from its vendor's manual.
    recorded: ClassVar[bool] = False
    #: None: reached without a network.
    default_port: ClassVar[int | None] = None
    #: Does it need a user name?
    needs_credential: ClassVar[bool] = True
    #: The database to connect to when the instance names none.
    default_database: ClassVar[str] = ""
    #: Does it have sizes per database?
    supports_sizes: ClassVar[bool] = True
    #: Does it have accounts and privileges?
    supports_accounts: ClassVar[bool] = False
    #: The account whose rights everybody has.
    everybody: ClassVar[str] = "PUBLIC"
    #: Names and patterns (as of a shell) of accounts that belong to the server itself.
    own_accounts: ClassVar[tuple[str, ...]] = ()
    #: The statements that give a user the least rights needed, one a line.
    least_rights: ClassVar[str] = ""

    @property
    def needs_host(self) -> bool:
        return self.default_port is not None

    def description(self) -> str:
        """The label, and what somebody who chooses it should know."""
        said = []
        if self.recorded:
            said.append(_("tested against recorded answers only"))
        if self.requirements and find_spec(self.driver) is None:
            said.append(_("needs pip install -r {file}").format(file=self.requirements))
        return f"{self.label} ({'; '.join(said)})" if said else str(self.label)

    def place(self, target: ConnectionTarget) -> tuple[str, ...]:
        """The server and database that a target leads to: equal for all ways of writing the same."""
        port = target.port or self.default_port
        return hosts.canonical(target.host), str(port), target.database or self.default_database

    def driver_missing(self) -> DriverMissing:
        text = _("{kind} needs a Python package that is not installed: pip install -r {file}.")
        return DriverMissing(text.format(kind=self.label, file=self.requirements))

    def target_errors(self, target: ConnectionTarget) -> dict[str, list[str]]:
        """What is wrong with a target, keyed by its field, beyond the rules that all dialects share."""
        return {}

    @abstractmethod
    def test(self, target: ConnectionTarget) -> ServerReading:
        """Connects, asks for the version, and leaves."""

    @abstractmethod
    def database_sizes(self, target: ConnectionTarget) -> SizesReading:
        """The size of every database that the user may know of. Raises ``NothingVisible`` when there is
        none.
        """

    def accounts(self, target: ConnectionTarget) -> AccountsReading:
        """Every account, then its rights. Raises ``NotSupported`` where there are no accounts, and
        ``NothingVisible`` when the server shows none.
        """
        raise NotSupported(_("{kind} has no accounts.").format(kind=self.label))

    @abstractmethod
    def run(self, target: ConnectionTarget, script: Script) -> Table:
        """Runs a person's own statements, all of them or none where the database can; gives the last one's answer."""

    #: How the files of its backups end.
    dump_suffix: ClassVar[str] = ".dump"

    @abstractmethod
    def dump(self, target: ConnectionTarget, path: Path) -> None:
        """Writes the target's database into a new file."""

    @abstractmethod
    def check_dump(self, path: Path) -> None:
        """Looks whether the file is whole. Raises ``DialectError``."""

    @abstractmethod
    def restore_dump(self, target: ConnectionTarget, path: Path) -> None:
        """Fills the target's database, which is empty, from a file."""

    @abstractmethod
    def make_database(self, target: ConnectionTarget, name: str) -> None:
        """Makes an empty database. Raises ``DialectError`` when there is one of that name."""

    @abstractmethod
    def remove_database(self, target: ConnectionTarget, name: str) -> None:
        """Removes a database; nothing happens when there is none of that name."""

    def scratch_database(self, target: ConnectionTarget, name: str) -> str:
        """Where a restore of the target's database is tried out."""
        return name

    def access(self, action: str, database: str, holder: Holder) -> list[Held]:
        """The rights by which an account may ``read``, ``write`` or ``admin`` a database; empty when it may not."""
        return []

    def concerns(self, database: str, category: str, on: tuple[str, ...]) -> bool:
        """Whether a right on this can matter to ``access``; memberships of roles always do."""
        return on[:1] == (database,)


class WithoutDumps(Dialect):
    """A kind whose databases are backed up by its vendor's own means."""

    def dump(self, target: ConnectionTarget, path: Path) -> None:
        raise self._none()

    def check_dump(self, path: Path) -> None:
        raise self._none()

    def restore_dump(self, target: ConnectionTarget, path: Path) -> None:
        raise self._none()

    def make_database(self, target: ConnectionTarget, name: str) -> None:
        raise self._none()

    def remove_database(self, target: ConnectionTarget, name: str) -> None:
        raise self._none()

    def _none(self) -> NotSupported:
        text = _("{kind} is backed up by its own means: no backup is made from here.")
        return NotSupported(text.format(kind=self.label))


class Deadline:
    """A span of time that several waits share."""

    def __init__(self, seconds: float, doing: str) -> None:
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._doing = doing

    def left(self) -> float:
        """Seconds left. Raises ``TimedOut`` when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def passed(self) -> bool:
        return time.monotonic() >= self._until

    def error(self) -> TimedOut:
        return TimedOut(f"{self._doing}: no answer within {self._seconds:g} s.")


def refuse_disguise(target: ConnectionTarget) -> None:
    """The last gate before a driver, whoever wrote the row: one host and no other address in it."""
    if sentence := hosts.problem(target.host):
        raise Unreachable(sentence)
