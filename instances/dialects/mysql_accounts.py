"""Accounts of MySQL and MariaDB: who exists by named columns, never a hash; then SHOW GRANTS for each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from instances.dialects import mysql_grants
from instances.dialects.grants import DEFAULT_ROLE, ROLE, Grant
from instances.dialects.mysql_grants import account_name
from instances.dialects.readings import AccountReading, AccountsReading, MissingRight, RightsReading
from instances.exceptions import NothingVisible

if TYPE_CHECKING:
    from instances.dialects.mysql import Visit

#: MariaDB since 10.4: the view for what it has, the JSON behind it for the rest, by name.
MARIADB = """
SELECT u.User, u.Host, u.is_role = 'Y', u.plugin, u.Super_priv = 'Y', u.Grant_priv = 'Y', u.Create_user_priv = 'Y',
       COALESCE(JSON_VALUE(g.Priv, '$.account_locked'), '') IN ('1', 'true'),
       u.password_expired = 'Y', JSON_VALUE(g.Priv, '$.password_last_changed'),
       JSON_VALUE(g.Priv, '$.password_lifetime'), u.max_user_connections, u.ssl_type
FROM mysql.user u JOIN mysql.global_priv g ON g.User = u.User AND g.Host = u.Host
"""

#: MariaDB 10.0 to 10.3 knows no locks and no lifetimes.
MARIADB_OLD = """
SELECT u.User, u.Host, u.is_role = 'Y', u.plugin, u.Super_priv = 'Y', u.Grant_priv = 'Y', u.Create_user_priv = 'Y',
       FALSE, u.password_expired = 'Y', NULL, NULL, u.max_user_connections, u.ssl_type
FROM mysql.user u
"""

#: MySQL 5.7 and 8. What CREATE ROLE makes is an account that is locked, expired and without a password; whether it has
#: one is asked for, and never the hash itself.
MYSQL = """
SELECT u.User, u.Host, {is_role}, u.plugin, u.Super_priv = 'Y', u.Grant_priv = 'Y', u.Create_user_priv = 'Y',
       u.account_locked = 'Y', u.password_expired = 'Y', UNIX_TIMESTAMP(u.password_last_changed),
       u.password_lifetime, u.max_user_connections, u.ssl_type
FROM mysql.user u
"""

MADE_AS_ROLE = "u.account_locked = 'Y' AND u.password_expired = 'Y' AND u.authentication_string = ''"

#: Days that a password holds where the account says nothing; 0: for ever.
LIFETIME = "SELECT @@global.default_password_lifetime"

#: MySQL 8: an account that somebody holds is a role, however it was made; SHOW GRANTS tells no default roles.
ROLES = "SELECT DISTINCT FROM_USER, FROM_HOST FROM mysql.role_edges"
DEFAULT_ROLES = "SELECT USER, HOST, DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST FROM mysql.default_roles"

#: The parser meets one way of quoting; and MySQL 8's answers do not depend on the roles of this session.
PLAIN_QUOTES = "SET SESSION sql_mode = '', sql_quote_show_create = 1"

#: SHOW GRANTS of MariaDB writes the names of routines in lower case. mysql.procs_priv, too, is no help: it keeps
#: what is not ASCII as if it were latin1 (seen with 10.11).
ROUTINES = "SELECT db, name, type FROM mysql.proc"

SHOW_GRANTS = "SHOW GRANTS FOR {grantee}"
#: What MariaDB calls everybody, since 10.11.
PUBLIC = "PUBLIC"

#: Behind the inventory: may it be read at all?
ONE = " LIMIT 1"
#: Somebody else.
ANOTHER = (
    "SELECT User, Host FROM mysql.user WHERE Host <> '' AND NOT (User = %(name)s AND Host = %(host)s) LIMIT 1"
)

#: "No such grant": the account was dropped since the inventory.
GONE = {1141, 1133, 1396, 1449}
#: The right to read somebody else's grants is missing.
REFUSED = {1044, 1142, 1227, 1410}


def read(visit: Visit, began: float) -> AccountsReading:
    """Raises what the driver raises; ``NothingVisible`` for an empty list."""
    server = visit.server(began)
    visit.rows(PLAIN_QUOTES)
    rows = visit.rows(_inventory(visit)) if _may(visit, _inventory(visit) + ONE) else ()
    if not rows:
        raise NothingVisible(_("The server shows this user no account: GRANT SELECT ON mysql.*."))
    lifetime = int(visit.rows(LIFETIME)[0][0]) if _has_lifetimes(visit) else 0
    roles = set(visit.rows(ROLES)) if visit.is_mysql8 else set()
    defaults = _default_roles(visit) if visit.is_mysql8 else {}
    grants, notes = _grants(visit, rows)
    if visit.is_mariadb and any(
        grant.category == "routine" for rights in grants.values() for grant in rights
    ):
        _spell_routines(visit, grants)
    accounts = tuple(_account(row, roles, grants, defaults, lifetime) for row in rows)
    return AccountsReading(server, accounts, notes=tuple(notes))


def rights(visit: Visit) -> RightsReading:
    """By trying, and by what the server says of this user: what a role gives counts, too."""
    may_list = _may(visit, _inventory(visit) + ONE)
    tries = (
        (visit.tablespaces() is not None, _("sizes of InnoDB's files"), "GRANT PROCESS ON *.*"),
        (visit.sees_all_schemas(), _("all databases"), "GRANT SHOW DATABASES ON *.*"),
        (visit.sees_all_tables(), _("rows and indexes of all tables"), "GRANT SHOW VIEW ON *.*"),
        (may_list, _("accounts"), "GRANT SELECT ON mysql.*"),
        (may_list and _may_show_grants(visit), _("rights of other accounts"), "GRANT SELECT ON mysql.*"),
    )
    found = tuple(purpose for may, purpose, _statement in tries if may)
    who = visit.user()
    missing = (MissingRight(purpose, f"{text} TO {who};") for may, purpose, text in tries if not may)
    return RightsReading(found, tuple(missing))


def _may(visit: Visit, statement: str, values: dict[str, Any] | None = None) -> bool:
    import MySQLdb

    try:
        visit.rows(statement, values)
    except MySQLdb.Error as error:
        if error.args[0] in REFUSED | GONE:
            return False
        raise
    return True


def _may_show_grants(visit: Visit) -> bool:
    ((user,),) = visit.rows("SELECT CURRENT_USER()")
    name, _at, host = str(user).rpartition("@")
    found = visit.rows(ANOTHER, {"name": name, "host": host})
    return not found or _may(visit, *_show_grants(str(found[0][0]), str(found[0][1]), is_role=False))


def _inventory(visit: Visit) -> str:
    if not visit.is_mariadb:
        return MYSQL.format(is_role=MADE_AS_ROLE if visit.is_mysql8 else "FALSE")
    return MARIADB if visit.main_version >= (10, 4) else MARIADB_OLD


def _has_lifetimes(visit: Visit) -> bool:
    return not visit.is_mariadb or visit.main_version >= (10, 4, 3)


def _default_roles(visit: Visit) -> dict[tuple[str, str], set[Grant]]:
    found: dict[tuple[str, str], set[Grant]] = defaultdict(set)
    for user, host, role, role_host in visit.rows(DEFAULT_ROLES):
        found[user, host].add(Grant(ROLE, (account_name(role, role_host),), DEFAULT_ROLE))
    return found


Account = tuple[str, str]


def _grants(visit: Visit, rows: Any) -> tuple[dict[Account, set[Grant]], list[str]]:
    """The rights of each account whose rights could be read, and what is to be said about the others."""
    import MySQLdb

    found: dict[Account, set[Grant]] = {}
    notes: list[str] = []
    for user, host, is_role, *_rest in rows:
        try:
            lines = [line for (line, *_more) in visit.rows(*_show_grants(user, host, bool(is_role)))]
        except MySQLdb.Error as error:
            if error.args[0] in GONE:
                notes.append(_("{account}: gone while being read.").format(account=account_name(user, host)))
                continue
            if error.args[0] in REFUSED:
                notes.append(_("Rights are hidden from this user: GRANT SELECT ON mysql.*."))
                return found, notes
            raise
        found[user, host], strange = mysql_grants.parse(lines, user, host)
        notes += [_("Not understood: {line}").format(line=line[:200]) for line in strange]
    return found, notes


def _spell_routines(visit: Visit, grants: dict[Account, set[Grant]]) -> None:
    """Gives routines the names that they were made with."""
    names = {(database, name.lower(), kind): name for database, name, kind in _routines(visit)}
    for account, rights in grants.items():
        grants[account] = {
            replace(
                grant,
                on=(
                    grant.on[0],
                    names.get((grant.on[0], grant.on[1], grant.on[2]), grant.on[1]),
                    grant.on[2],
                ),
            )
            if grant.category == "routine"
            else grant
            for grant in rights
        }


def _routines(visit: Visit) -> Any:
    import MySQLdb

    try:
        return visit.rows(ROUTINES)
    except MySQLdb.Error as error:
        if error.args[0] in REFUSED:
            return ()
        raise


def _show_grants(user: str, host: str, is_role: bool) -> tuple[str, dict[str, Any]]:
    if is_role and user == PUBLIC and not host:
        return SHOW_GRANTS.format(grantee=PUBLIC), {}
    if is_role and not host:  # MariaDB: a role is a name alone
        return SHOW_GRANTS.format(grantee="%(user)s"), {"user": user}
    return SHOW_GRANTS.format(grantee="%(user)s@%(host)s"), {"user": user, "host": host}


def _account(
    row: tuple[Any, ...],
    roles: set[Account],
    grants: dict[Account, set[Grant]],
    defaults: dict[Account, set[Grant]],
    lifetime: int,
) -> AccountReading:
    (
        user,
        host,
        is_role,
        plugin,
        superuser,
        may_grant,
        may_create,
        locked,
        expired,
        changed,
        days,
        most,
        tls,
    ) = row
    is_role = bool(is_role) or (user, host) in roles
    rights = grants.get((user, host))
    whole = {grant.right for grant in rights or () if grant.category == "global"}
    changed_at = _moment(changed)
    attributes = {
        "plugin": plugin,
        "password_expired": bool(expired) and not is_role,
        "password_changed_at": changed_at.isoformat() if changed_at else None,
        "password_lifetime_days": None if days is None else int(days),
        "most_connections": int(most or 0),
        "tls": tls or "",
    }
    kind = "public" if is_role and user == PUBLIC and not host else "role" if is_role else "user"
    return AccountReading(
        name=account_name(user, host),
        username=user,
        host=host,
        kind=kind,
        superuser=bool(superuser) or "ALL PRIVILEGES" in whole,
        locked=bool(locked),
        grant_admin=bool(may_grant) or bool(may_create),
        expires_at=_expiry(changed_at, days, lifetime) if kind == "user" else None,
        attributes=attributes,
        grants=None if rights is None else tuple(sorted(rights | defaults.get((user, host), set()))),
    )


def _moment(seconds: Any) -> datetime | None:
    """0 marks a password that was expired by hand."""
    number = float(seconds) if seconds not in (None, "") else 0.0
    return datetime.fromtimestamp(int(number), UTC) if number > 0 else None


def _expiry(changed_at: datetime | None, days: Any, lifetime: int) -> datetime | None:
    holds = lifetime if days in (None, "-1", -1) else int(days)
    return changed_at + timedelta(days=holds) if changed_at and holds > 0 else None
