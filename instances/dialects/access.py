"""Who may do what, concluded from rights as they were read: the language of the question and of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from instances.dialects.grants import MEMBER, ROLE, Grant

#: ``admin``: change what the database is made of, or give others rights in it.
READ, WRITE, ADMIN = "read", "write", "admin"
ACTIONS = (READ, WRITE, ADMIN)


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """A right that an account has, itself or through roles."""

    grant: Grant
    #: The roles it comes through, nearest first; () is the account itself.
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """One account with everything that it may bring to bear."""

    name: str
    superuser: bool
    held: tuple[Held, ...]


def gather(name: str, grants: Mapping[str, Iterable[Grant]], everybody: str) -> tuple[Held, ...]:
    """The rights of ``name``: its own, those of its roles and theirs, and those that everybody has.

    ``grants``: every account of the server by name. A role that is a member of itself in a circle is met once.
    """
    found: list[Held] = []
    waiting: list[tuple[str, tuple[str, ...]]] = [(name, ()), (everybody, (everybody,))]
    met = set()
    while waiting:
        who, via = waiting.pop(0)
        if who in met:
            continue
        met.add(who)
        for grant in grants.get(who, ()):
            if grant.category == ROLE and grant.right == MEMBER:
                waiting.append((grant.on[0], (*via, grant.on[0])))
            found.append(Held(grant, via))
    return tuple(found)
