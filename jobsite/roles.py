"""The roles that an installation begins with: Django's groups of permissions, which people may change afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission

from scheduling.sql.transactions import in_transaction

APPS = ("scheduling", "instances")
#: What people make, change and delete. Everything else is written by the program, whatever somebody's role.
EDITED = {"task", "group", "pool", "calendar", "instance", "credential", "tag", "sizelimit"}
WRITES = ("add_", "change_", "delete_")
RUNS = ("run_", "pause_", "cancel_")


@dataclass(frozen=True, slots=True)
class Right:
    """A permission: its app, its model in lower case, and its code name."""

    app: str
    model: str
    code: str

    @property
    def is_view(self) -> bool:
        return self.code.startswith("view_")


#: What not everybody reads who may look around: user names of servers, and statements with whatever stands in them.
CONFIDENTIAL = {"credential", "statementrun"}


def _views(right: Right) -> bool:
    return right.is_view and right.model not in CONFIDENTIAL


def _operates(right: Right) -> bool:
    return _views(right) or (right.app == "scheduling" and right.code.startswith(RUNS))


def _edits(right: Right) -> bool:
    return _operates(right) or (right.app == "scheduling" and not right.code.startswith("drain_"))


def _administers(right: Right) -> bool:
    return True


#: Role → whether it has a permission. Each contains the one before it. docs/install.md tells them to people.
ROLES: dict[str, Callable[[Right], bool]] = {
    "viewer": _views,
    "operator": _operates,
    "editor": _edits,
    "dba-admin": _administers,
}


def permissions_of(role: str) -> list[Permission]:
    """The permissions that a role begins with, as far as the installation has them."""
    rows = Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
    return [row for row in rows if _may_be_given(right := _right(row)) and ROLES[role](right)]


def create(*, reset: bool = False) -> tuple[list[str], list[str]]:
    """Creates the roles that do not exist; with ``reset`` gives the others their first permissions back.

    Returns the names of those created and of those reset.
    """

    def work() -> tuple[list[str], list[str]]:
        existing = {group.name: group for group in Group.objects.filter(name__in=ROLES)}
        created: list[str] = []
        put_back: list[str] = []
        for name in ROLES:
            group = existing.get(name)
            if group is not None and not reset:
                continue
            (created if group is None else put_back).append(name)
            group = group or Group.objects.create(name=name)
            group.permissions.set(permissions_of(name))
        return created, put_back

    return in_transaction(work)


def codes(rows: Iterable[Permission]) -> list[str]:
    """The permissions as Django's ``has_perm`` names them, sorted."""
    return sorted(f"{row.content_type.app_label}.{row.codename}" for row in rows)


def _right(row: Permission) -> Right:
    return Right(row.content_type.app_label, row.content_type.model, row.codename)


def _may_be_given(right: Right) -> bool:
    return right.model in EDITED or not right.code.startswith(WRITES)
