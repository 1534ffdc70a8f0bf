"""Who can read, write or administer a database, across the fleet, by what the last collections stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from instances.dialects.access import Held, Holder, gather
from instances.dialects.base import Dialect
from instances.dialects.grants import ROLE, Grant, Snapshot
from instances.models import Instance, InstanceAccount, InstanceDatabase
from instances.models.instance import InstanceQuerySet
from instances.models.restriction import Viewer

#: Instances whose accounts are held in memory at a time.
BATCH = 10

DIRECT, THROUGH_ROLE, EVERYBODY, SUPERUSER, PATTERN = "direct", "role", "everybody", "superuser", "pattern"


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to know. Empty: no matter which."""

    #: One of ``dialects.access.ACTIONS``.
    action: str
    database: str
    #: Names; none: those that are known to have the database.
    instances: tuple[str, ...] = ()
    dialect: str = ""
    environment: str = ""
    tag: str = ""
    #: A part of the account's name, whatever its case.
    account: str = ""
    #: Who asks: what is hidden from her does not exist.
    viewer: Viewer = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Rights on one thing, and how the account comes by them."""

    #: DIRECT, THROUGH_ROLE, EVERYBODY, SUPERUSER, or PATTERN: granted on a name with wildcards that fits.
    path: str
    rights: tuple[str, ...]
    #: From the outside in; () is the server.
    on: tuple[str, ...]
    #: Roles, nearest first.
    via: tuple[str, ...]
    #: At least one of the rights may be passed on.
    grantable: bool

    def __str__(self) -> str:
        """Such as ``INSERT, UPDATE on sales.public.orders, through writers``."""
        place = ".".join(self.on) or _("the whole server")
        text = _("{right} on {place}").format(right=", ".join(self.rights), place=place)
        return (
            _("{right}, through {roles}").format(right=text, roles=" → ".join(self.via)) if self.via else text
        )


@dataclass(frozen=True, slots=True)
class Access:
    """One account that can, and why."""

    account: InstanceAccount
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one instance."""

    instance: Instance
    #: When its accounts were last collected; None: never, so that nothing is known.
    as_of: datetime | None
    found: tuple[Access, ...] = ()
    #: Accounts whose rights the server has not told: they may be able to as well.
    unread: int = 0


@dataclass(slots=True)
class Page:
    answers: list[Answer] = field(default_factory=list)
    #: The name of the instance after which the next page begins; empty: there is none.
    after: str = ""

    @property
    def accounts(self) -> int:
        return sum(len(answer.found) for answer in self.answers)


def who_can(question: Question, *, after: str = "") -> Iterator[Answer]:
    """Instance by instance, by name, those beyond ``after``: the accounts that can log in and may do it.

    An instance without an account that can is told as well. A few instances' accounts are in memory at a time.
    """
    while some := list(asked(question).filter(name__gt=after)[:BATCH]):
        after = some[-1].name
        accounts: dict[int, list[InstanceAccount]] = defaultdict(list)
        wanted = InstanceAccount.objects.filter(instance__in=some, active=True)
        for row in wanted.defer("attributes", "facts").order_by("instance", "name"):
            accounts[row.instance_id].append(row)
        for instance in some:
            yield _on(instance, question, accounts[instance.pk])


def page(question: Question, *, after: str = "", most_instances: int = 20, most_accounts: int = 500) -> Page:
    """As many whole instances as fit, at least one."""
    found = Page()
    for answer in who_can(question, after=after):
        full = len(found.answers) == most_instances or found.accounts + len(answer.found) > most_accounts
        if found.answers and full:
            found.after = found.answers[-1].instance.name
            break
        found.answers.append(answer)
    return found


def asked(question: Question) -> InstanceQuerySet:
    """The instances that the question is about, by name."""
    rows = _chosen(question)
    if not question.instances:
        having = InstanceDatabase.objects.filter(name=question.database, active=True).values("instance")
        rows = rows.filter(pk__in=having)
    return rows


def not_collected(question: Question) -> InstanceQuerySet:
    """The instances of which nobody knows whether they have the database, by name."""
    rows = _chosen(question)
    if question.instances:
        return rows.none()
    return rows.filter(~Exists(InstanceDatabase.objects.filter(instance=OuterRef("pk"))))


def _chosen(question: Question) -> InstanceQuerySet:
    rows = Instance.objects.present().visible_to(question.viewer).order_by("name")
    if question.instances:
        rows = rows.filter(name__in=question.instances)
    if question.dialect:
        rows = rows.filter(dialect=question.dialect)
    if question.environment:
        rows = rows.filter(environment=question.environment)
    return rows.filter(tags__name=question.tag) if question.tag else rows


def _on(instance: Instance, question: Question, rows: list[InstanceAccount]) -> Answer:
    kind = instance.kind
    grants = {row.name: _relevant(row.privileges or {}, kind, question.database) for row in rows}
    found = []
    for row in rows:
        if row.kind != InstanceAccount.Kind.USER or row.locked:
            continue
        if question.account.casefold() not in row.name.casefold():
            continue
        holder = Holder(row.name, row.superuser, gather(row.name, grants, kind.everybody))
        if held := kind.access(question.action, question.database, holder):
            found.append(Access(row, _reasons(held, kind, question.database, row.superuser)))
    unread = sum(row.privileges is None for row in rows)
    return Answer(instance, max((row.last_seen_at for row in rows), default=None), tuple(found), unread)


def _relevant(stored: Snapshot, kind: Dialect, database: str) -> list[Grant]:
    """The rights that can matter; an account may have thousands in other databases."""
    return [
        Grant(category, tuple(entry["on"]), right, grantable, right in entry.get("default", ()))
        for category, entries in stored.items()
        for entry in entries
        if category == ROLE or kind.concerns(database, category, tuple(entry["on"]))
        for right, grantable in entry["rights"].items()
    ]


def _reasons(held: Iterable[Held], kind: Dialect, database: str, superuser: bool) -> tuple[Reason, ...]:
    """Rights on the same thing that come the same way are one reason."""
    parts: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Grant]] = defaultdict(list)
    for one in sorted(held):
        parts[_path(one, kind, database, superuser), one.grant.on, one.via].append(one.grant)
    return tuple(
        Reason(
            path, tuple(dict.fromkeys(grant.right for grant in grants)), on, via,
            any(grant.grantable for grant in grants),
        )
        for (path, on, via), grants in parts.items()
    )  # fmt: skip


def _path(held: Held, kind: Dialect, database: str, superuser: bool) -> str:
    if held.via:
        return EVERYBODY if kind.everybody in held.via else THROUGH_ROLE
    if superuser and not held.grant.on:
        return SUPERUSER
    if held.grant.category == "database" and held.grant.on[0] != database:
        return PATTERN
    return DIRECT
