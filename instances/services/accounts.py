"""Keeps what servers say about their accounts, and writes down once what has changed.

Nothing is inferred from silence: a reading that failed reaches this room not at all, and of one that is partial the
rest stays as it was.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from instances.dialects.grants import ROLE, Snapshot, difference, grants_of, snapshot, with_names
from instances.dialects.readings import AccountReading, AccountsReading
from instances.exceptions import NothingVisible
from instances.models import AccountChange, Instance, InstanceAccount, SyncSession
from instances.services import facts
from instances.services.sessions import RowCounts
from scheduling.sql.transactions import in_transaction
from scheduling.text import clean

BATCH = 500
Kind = AccountChange.Kind

#: The columns that a collection may change.
WRITTEN = (
    "name", "username", "host", "kind", "superuser", "locked", "grant_admin", "expires_at", "attributes",
    "privileges", "facts", "server_id", "active", "dropped_at",
)  # fmt: skip

#: Names and patterns of accounts to leave out, by dialect.
LeaveOut = Mapping[str, Iterable[str]]


def save(
    instance: Instance,
    reading: AccountsReading,
    *,
    session: SyncSession | None,
    now: datetime,
    leave_out: LeaveOut,
) -> RowCounts:
    """Writes one reading: accounts, their rights, and an ``AccountChange`` for each account that changed.

    Accounts that are left out are not looked at, whether they are in the reading or stored. Raises
    ``NothingVisible`` for an empty reading: a server without any account is one that does not tell.
    """
    if not reading.accounts:
        raise NothingVisible(_("The server shows this user no account."))
    return in_transaction(lambda: _Save(instance, reading, session, now, leave_out).write())


def is_left_out(instance: Instance, name: str, leave_out: LeaveOut) -> bool:
    """Also by the dialect's own list and by ``JOBSITE_ACCOUNTS_LEFT_OUT``."""
    patterns = [
        *instance.kind.own_accounts,
        *settings.JOBSITE_ACCOUNTS_LEFT_OUT.get(instance.dialect, ()),
        *leave_out.get(instance.dialect, ()),
    ]
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class _Save:
    """One reading of one instance being written."""

    def __init__(
        self,
        instance: Instance,
        reading: AccountsReading,
        session: SyncSession | None,
        now: datetime,
        leave_out: LeaveOut,
    ) -> None:
        self._instance = instance
        self._session = session
        self._now = now
        self._unread = set(reading.unread_databases)
        self._readings = {
            clean(one.name): one for one in reading.accounts if not is_left_out(instance, one.name, leave_out)
        }
        self._held = _held_roles(reading)
        self._leave_out = leave_out
        self._changes: list[AccountChange] = []
        self._renamed: set[int] = set()

    def write(self) -> RowCounts:
        # Two collections of one instance at the same time follow each other.
        Instance.objects.select_for_update().get(pk=self._instance.pk)
        rows = InstanceAccount.objects.filter(instance=self._instance)
        stored = {row.name: row for row in rows if not is_left_out(self._instance, row.name, self._leave_out)}
        gone = {name: row for name, row in stored.items() if name not in self._readings and row.active}
        before = {row.pk: _columns(row) for row in stored.values()}
        names = self._new_names(stored, gone)
        for account in stored.values() if names else ():
            if account.privileges:  # who holds a renamed role holds what they held
                account.privileges = with_names(account.privileges, names)
        self._rename(stored, gone, names)
        fresh, seen, changed = [], [], 0
        for name, reading in sorted(
            self._readings.items(), key=itemgetter(0)
        ):  # a server's own order may differ
            if (row := stored.get(name)) is None:
                fresh.append(self._add(name, reading))
            else:
                changed += self._update(row, reading) or row.pk in self._renamed
                seen.append(row)
        for row in gone.values():
            self._drop(row)
        InstanceAccount.objects.bulk_create(fresh, batch_size=BATCH)
        altered = [row for row in (*seen, *gone.values()) if _columns(row) != before[row.pk]]
        InstanceAccount.objects.bulk_update(altered, WRITTEN, batch_size=100)
        rows.filter(pk__in=[row.pk for row in seen]).update(last_seen_at=self._now)
        AccountChange.objects.bulk_create(self._changes, batch_size=BATCH)
        return RowCounts(len(fresh), changed, len(seen) - changed, len(gone))

    def _new_names(
        self, stored: dict[str, InstanceAccount], gone: dict[str, InstanceAccount]
    ) -> dict[str, str]:
        """Old name → new one, of accounts that are gone while a new one has their number and their rights."""
        numbers = {row.server_id: name for name, row in gone.items() if row.server_id}
        names = {
            numbers[reading.server_id]: name
            for name, reading in self._readings.items()
            if name not in stored and reading.server_id in numbers and reading.grants is not None
        }
        # A number alone proves nothing: it may be another server by now. Whose rights differ is somebody else, and
        # whose rights are the same only with that one's new name is, too.
        while others := [old for old in names if self._is_another(gone[old], names[old], names)]:
            for old in others:
                del names[old]
        return names

    def _is_another(self, row: InstanceAccount, name: str, names: Mapping[str, str]) -> bool:
        before = with_names(row.privileges or {}, names)
        return bool(difference(before, self._privileges(row, self._readings[name], names) or {}))

    def _rename(
        self, stored: dict[str, InstanceAccount], gone: dict[str, InstanceAccount], names: Mapping[str, str]
    ) -> None:
        for old, name in names.items():
            row, reading = gone.pop(old), self._readings[name]
            stored[name] = stored.pop(old)
            changes = {"name": {"before": old, "after": name}}
            changes |= _attribute_changes(_stored_attributes(row), facts.attributes_of(reading))
            row.name = name
            self._change(row, Kind.RENAMED, {}, changes)
            self._renamed.add(row.pk)
            self._fill(row, reading)

    def _add(self, name: str, reading: AccountReading) -> InstanceAccount:
        row = InstanceAccount(instance=self._instance, name=name, first_seen_at=self._now)
        self._fill(row, reading)
        attributes = _attribute_changes({}, facts.attributes_of(reading))
        self._change(row, Kind.ADDED, difference({}, row.privileges or {}), attributes)
        return row

    def _update(self, row: InstanceAccount, reading: AccountReading) -> bool:
        """Whether something changed that deserves a line in the account's history."""
        returned = not row.active
        before = row.privileges
        attributes = _attribute_changes(_stored_attributes(row), facts.attributes_of(reading))
        self._fill(row, reading)
        # Rights that are read for the first time were not granted just now.
        privileges = {} if before is None else difference(before, row.privileges or {})
        if returned:
            self._change(row, Kind.RESTORED, privileges, attributes)
        elif privileges or attributes:
            self._change(row, Kind.PRIVILEGES if privileges else Kind.ATTRIBUTES, privileges, attributes)
        return returned or bool(privileges or attributes)

    def _drop(self, row: InstanceAccount) -> None:
        row.active = False
        row.dropped_at = self._now
        self._change(row, Kind.DROPPED, difference(row.privileges or {}, {}), {})
        row.privileges = {} if row.privileges is not None else None
        row.facts = []

    def _fill(self, row: InstanceAccount, reading: AccountReading) -> None:
        row.username, row.host = clean(reading.username), clean(reading.host)
        row.kind, row.superuser, row.locked = reading.kind, reading.superuser, reading.locked
        row.grant_admin, row.expires_at = reading.grant_admin, reading.expires_at
        row.attributes = reading.attributes
        row.privileges = self._privileges(row, reading)
        row.facts = facts.of(reading, self._held, self._now)
        row.server_id = reading.server_id
        row.active, row.last_seen_at, row.dropped_at = True, self._now, None

    def _privileges(
        self, row: InstanceAccount, reading: AccountReading, names: Mapping[str, str] | None = None
    ) -> Snapshot | None:
        """The rights as they were read; of databases that refused, as they are stored."""
        if reading.grants is None:
            return row.privileges
        inner = {
            grant
            for grant in grants_of(with_names(row.privileges or {}, names or {}))
            if grant.on[:1] and grant.on[0] in self._unread and _is_inside(grant.category, grant.on)
        }
        return snapshot(inner.union(reading.grants))

    def _change(
        self, row: InstanceAccount, kind: str, privileges: dict[str, Any], attributes: dict[str, Any]
    ) -> None:
        parts = {"privileges": privileges, "attributes": attributes}
        self._changes.append(
            AccountChange(
                instance=self._instance,
                account=row,
                name=row.name,
                kind=kind,
                at=self._now,
                session=self._session,
                difference={name: part for name, part in parts.items() if part},
            )
        )


def _columns(row: InstanceAccount) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in WRITTEN)


def _is_inside(category: str, on: tuple[str, ...]) -> bool:
    """Whether a right lies inside the database that ``on`` begins with, not on the database or beside it."""
    return len(on) > 1 and category not in ("database", ROLE, "tablespace", "proxy")


def _held_roles(reading: AccountsReading) -> set[str]:
    return {
        grant.on[0]
        for account in reading.accounts
        for grant in account.grants or ()
        if grant.category == ROLE
    }


def _stored_attributes(row: InstanceAccount) -> dict[str, Any]:
    own: dict[str, Any] = {
        "kind": row.kind,
        "superuser": row.superuser,
        "locked": row.locked,
        "grant_admin": row.grant_admin,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
    }
    attributes: dict[str, Any] = row.attributes
    return own | attributes


def _attribute_changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """An attribute that one side does not know, as after an update of this program, has not changed."""
    if not before:
        return {name: {"before": None, "after": value} for name, value in after.items() if value}
    return {
        name: {"before": before[name], "after": value}
        for name, value in after.items()
        if name in before and before[name] != value
    }
