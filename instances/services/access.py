"""Who can read or write a database, across the fleet, by what the last collections stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from instances.dialects.access import Held, Holder, gather
from instances.dialects.grants import Grant, grants_of
from instances.models import Instance, InstanceAccount, InstanceDatabase


@dataclass(frozen=True, slots=True)
class Access:
    """One account that can, and why."""

    instance: Instance
    account: InstanceAccount
    reasons: tuple[Held, ...]

    def sentences(self) -> list[str]:
        return [reason(held) for held in self.reasons]


def who_can(action: str, database: str, instances: Iterable[Instance] | None = None) -> Iterator[Access]:
    """The accounts that can log in and may ``read`` or ``write`` something in the database of that name.

    ``instances`` None: all that are known to have it. By instance and name; one instance's accounts are held in
    memory at a time.
    """
    for instance in _having(database) if instances is None else instances:
        yield from _on(instance, action, database)


def _having(database: str) -> Iterator[Instance]:
    having = InstanceDatabase.objects.filter(name=database, active=True).values("instance")
    yield from Instance.objects.present().filter(pk__in=having).order_by("name").iterator()


def _on(instance: Instance, action: str, database: str) -> Iterator[Access]:
    kind = instance.kind
    rows = list(InstanceAccount.objects.filter(instance=instance, active=True).order_by("name"))
    grants: dict[str, Iterable[Grant]] = {row.name: grants_of(row.privileges or {}) for row in rows}
    for row in rows:
        if row.kind != InstanceAccount.Kind.USER or row.locked:
            continue
        holder = Holder(row.name, row.superuser, gather(row.name, grants, kind.everybody))
        if found := kind.access(action, database, holder):
            yield Access(instance, row, tuple(sorted(found)))


def reason(held: Held) -> str:
    """Such as ``INSERT on sales.public.orders, through writers``."""
    place = ".".join(held.grant.on) or _("the whole server")
    text = _("{right} on {place}").format(right=held.grant.right, place=place)
    return _("{right}, through {roles}").format(right=text, roles=" → ".join(held.via)) if held.via else text
