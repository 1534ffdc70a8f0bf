"""What is done to accounts on real servers appears once each, as what it was, at the next collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from instances.models import AccountChange, Instance
from instances.services import collection
from tests.instances.servers import PREFIX

pytestmark = pytest.mark.django_db

HERE = f"{PREFIX}ch "
#: Of each database, schema and table: every character that has to be quoted somewhere.
ODD = '`Odd` "n\'ame" \\ 数据'
DATABASE = f"{PREFIX}ch_{ODD}"
Changes = dict[str, tuple[str, dict[str, Any]]]


def entry(on: list[str], **rights: bool) -> list[dict[str, Any]]:
    return [{"on": on, "rights": {name.replace("_", " "): option for name, option in rights.items()}}]


def granted(category: str, on: list[str], **rights: bool) -> dict[str, Any]:
    return {"privileges": {category: {"granted": entry(on, **rights)}}}


def revoked(category: str, on: list[str], **rights: bool) -> dict[str, Any]:
    return {"privileges": {category: {"revoked": entry(on, **rights)}}}


def attributes(**values: tuple[Any, Any]) -> dict[str, Any]:
    return {"attributes": {name: {"before": a, "after": b} for name, (a, b) in values.items()}}


@pytest.fixture
def found() -> Callable[[Instance], Changes]:
    """``found(instance)``: what the next collection finds of our accounts; the one after it finds nothing."""

    def find(instance: Instance) -> Changes:
        kind = collection.accounts_kind({})
        last = AccountChange.objects.order_by("-id").values_list("id", flat=True).first() or 0
        for _ in range(2):
            assert collection.collect(kind, [instance], origin="schedule").status == "completed"
        rows = AccountChange.objects.filter(id__gt=last, name__startswith=HERE).order_by("id")
        changes = {row.name.removeprefix(HERE): (row.kind, row.difference) for row in rows}
        assert len(changes) == len(rows), "each account changes once"
        return changes

    return find


class TestPostgreSQL:
    names = ('app "A\'p" \\ 应用 😀', "Low", "MID \\dle", "high 高", "owner", "giver")

    @pytest.fixture
    def run(self, postgres: Any) -> Iterator[Callable[..., None]]:
        """``run("GRANT {Low} TO {app}")``: names in braces by their first word."""
        words = {name.split()[0]: postgres.quote(HERE + name) for name in self.names}
        words |= {"odd": postgres.quote(ODD), "database": postgres.quote(DATABASE)}
        words |= {"table": f"{words['odd']}.{words['odd']}", "renamed": postgres.quote(HERE + "new 😀")}
        words |= {"peak": postgres.quote(HERE + "Peak")}

        def do(*statements: str, inside: bool = False) -> None:
            place = {"database": DATABASE} if inside else {}
            postgres.run([one.format(**words) for one in statements], **place)

        do("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'")
        yield do
        do("DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for word in ("app", "Low", "MID", "high", "owner", "giver", "renamed", "peak"):
            do(f"DROP ROLE IF EXISTS {{{word}}}")

    @pytest.fixture
    def instance(self, of_server: Any, postgres: Any, run: Any, found: Any) -> Instance:
        made: Instance = of_server(postgres, "pg")
        run(
            "CREATE ROLE {app} LOGIN",
            *(f"CREATE ROLE {{{word}}}" for word in ("Low", "MID", "high", "giver")),
        )
        run("CREATE ROLE {owner} LOGIN CONNECTION LIMIT 3")
        run(
            "CREATE SCHEMA {odd} AUTHORIZATION {owner}", "CREATE TABLE {table} ({odd} int, plain int)",
            "CREATE SEQUENCE {odd}.q", "CREATE FUNCTION {odd}.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER TABLE {table} OWNER TO {owner}", inside=True,
        )  # fmt: skip
        kinds = {name: kind for name, (kind, _difference) in found(made).items()}
        assert kinds == dict.fromkeys(self.names, "added")
        return made

    def test_roles_in_roles(self, instance: Instance, run: Any, found: Any) -> None:
        app, _low, middle, high, *_rest = self.names
        run("GRANT {Low} TO {MID}", "GRANT {MID} TO {high}", "GRANT {high} TO {app} WITH ADMIN OPTION")
        assert found(instance) == {
            middle: ("privileges_changed", granted("role", [f"{HERE}Low"], MEMBER=False)),
            high: ("privileges_changed", granted("role", [HERE + middle], MEMBER=False)),
            app: ("privileges_changed", granted("role", [HERE + high], MEMBER=True)),
        }
        run("REVOKE ADMIN OPTION FOR {high} FROM {app}", "DROP ROLE {Low}")
        changes = found(instance)
        assert changes[app][1]["privileges"]["role"] == {
            "granted": entry([HERE + high], MEMBER=False), "revoked": entry([HERE + high], MEMBER=True),
        }  # fmt: skip
        assert changes["Low"][0] == "dropped"
        assert changes[middle] == ("privileges_changed", revoked("role", [f"{HERE}Low"], MEMBER=False))

    @pytest.mark.parametrize(
        ("right", "category", "on", "rights"),
        [
            ("CREATE ON DATABASE {database}", "database", [], {"CREATE": True}),
            ("USAGE ON SCHEMA {odd}", "schema", [ODD], {"USAGE": True}),
            ("SELECT, TRUNCATE ON {table}", "table", [ODD, ODD], {"SELECT": True, "TRUNCATE": True}),
            ("SELECT ({odd}), UPDATE ({odd}) ON {table}", "column", [ODD, ODD, ODD], {"SELECT": True, "UPDATE": True}),
            ("USAGE ON SEQUENCE {odd}.q", "sequence", [ODD, "q"], {"USAGE": True}),
            ("EXECUTE ON FUNCTION {odd}.f(int)", "routine", [ODD, "f(integer)"], {"EXECUTE": True}),
        ],
    )  # fmt: skip
    def test_granted_lessened_and_revoked(
        self, right: str, category: str, on: list[str], rights: dict[str, bool], instance: Instance, run: Any,
        found: Any,
    ) -> None:  # fmt: skip
        app, on = self.names[0], [DATABASE, *on]
        without = dict.fromkeys(rights, False)
        run(f"GRANT {right} TO {{app}} WITH GRANT OPTION", inside=True)
        assert found(instance) == {app: ("privileges_changed", granted(category, on, **rights))}
        run(f"REVOKE GRANT OPTION FOR {right} FROM {{app}}", inside=True)
        both = {"granted": entry(on, **without), "revoked": entry(on, **rights)}
        assert found(instance) == {app: ("privileges_changed", {"privileges": {category: both}})}
        run(f"REVOKE {right} FROM {{app}}", inside=True)
        assert found(instance) == {app: ("privileges_changed", revoked(category, on, **without))}

    def test_a_chain_of_givers(self, instance: Instance, run: Any, found: Any) -> None:
        app, place = self.names[0], [DATABASE, ODD, ODD]
        run(
            "GRANT USAGE ON SCHEMA {odd} TO {giver}", "GRANT SELECT ON {table} TO {giver} WITH GRANT OPTION",
            "SET ROLE {giver}", "GRANT SELECT ON {table} TO {app} WITH GRANT OPTION", inside=True,
        )  # fmt: skip
        changes = found(instance)
        assert changes.keys() == {"giver", app}
        assert changes[app] == ("privileges_changed", granted("table", place, SELECT=True))
        run("REVOKE SELECT ON {table} FROM {giver} CASCADE", inside=True)
        gone = ("privileges_changed", revoked("table", place, SELECT=True))
        assert found(instance) == {"giver": gone, app: gone}

    def test_attributes_and_lock(self, instance: Instance, run: Any, found: Any) -> None:
        app = self.names[0]
        run("ALTER ROLE {app} SUPERUSER CONNECTION LIMIT 7 VALID UNTIL '2030-01-01 00:00:00+00'")
        until = "2030-01-01T00:00:00+00:00"
        assert found(instance) == {
            app: (
                "attributes_changed",
                attributes(
                    superuser=(False, True), grant_admin=(False, True), connection_limit=(-1, 7),
                    expires_at=(None, until),
                ),
            )
        }  # fmt: skip
        run("ALTER ROLE {app} NOLOGIN")
        assert found(instance) == {
            app: (
                "attributes_changed",
                attributes(login=(True, False), locked=(False, True), kind=("user", "role")),
            )
        }

    def test_a_new_name(self, instance: Instance, run: Any, found: Any) -> None:
        app = self.names[0]
        run("GRANT SELECT ON {table} TO {app}", inside=True)
        found(instance)
        run("ALTER ROLE {app} RENAME TO {renamed}")
        change = attributes(name=(HERE + app, f"{HERE}new 😀"))
        assert found(instance) == {"new 😀": ("renamed", change)}
        run("DROP OWNED BY {renamed}", inside=True)
        run("DROP ROLE {renamed}")
        assert found(instance)["new 😀"][0] == "dropped"

    def test_a_role_with_a_new_name_is_held_as_before(self, instance: Instance, run: Any, found: Any) -> None:
        """Nobody has granted or revoked anything; also when holder and role are renamed between two collections."""
        app, _low, _middle, high, *_rest = self.names
        run("GRANT {MID} TO {high}", "GRANT {high} TO {app}")
        run("ALTER DEFAULT PRIVILEGES FOR ROLE {high} GRANT SELECT ON TABLES TO {giver}", inside=True)
        found(instance)
        run("ALTER ROLE {high} RENAME TO {peak}")
        assert found(instance) == {"Peak": ("renamed", attributes(name=(HERE + high, f"{HERE}Peak")))}
        run("ALTER ROLE {app} RENAME TO {renamed}", "ALTER ROLE {peak} RENAME TO {high}")
        assert found(instance) == {
            "new 😀": ("renamed", attributes(name=(HERE + app, f"{HERE}new 😀"))),
            high: ("renamed", attributes(name=(f"{HERE}Peak", HERE + high))),
        }
        run("REVOKE {high} FROM {renamed}", "ALTER ROLE {high} RENAME TO {peak}")
        changes = found(instance)
        assert {name: kind for name, (kind, _difference) in changes.items()} == {
            "new 😀": "privileges_changed", "Peak": "renamed",
        }  # fmt: skip
        assert changes["new 😀"][1] == revoked("role", [f"{HERE}Peak"], MEMBER=False)
        run("DROP OWNED BY {peak}", inside=True)


class TestMariaDB:
    app = "app `A'p` \\ 应用@10.%"
    roles = ("Low", "MID \\dle", "high 高")

    @pytest.fixture
    def run(self, mariadb: Any) -> Iterator[Callable[..., None]]:
        def literal(text: str) -> str:
            return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"

        words = {name.split()[0]: literal(HERE + name) for name in self.roles}
        words |= {"app": f"{literal(HERE + self.app.rpartition('@')[0])}@'10.%'"}
        words |= {"giver": f"{literal(HERE + 'giver')}@'%'", "renamed": f"{literal(HERE + 'new')}@'%'"}
        words |= {"odd": mariadb.quote(ODD), "database": mariadb.quote(DATABASE)}
        words |= {"pattern": mariadb.quote(self.pattern)}

        def do(*statements: str) -> None:
            mariadb.run([one.format(**words) for one in statements])

        do(
            "CREATE DATABASE {database}", "CREATE TABLE {database}.{odd} ({odd} int, plain int)",
            "CREATE PROCEDURE {database}.{odd}() SELECT 1",
        )  # fmt: skip
        yield do
        do("DROP DATABASE {database}")
        do(*(f"DROP USER IF EXISTS {{{word}}}" for word in ("app", "giver", "renamed")))
        do(*(f"DROP ROLE IF EXISTS {{{name.split()[0]}}}" for name in self.roles))
        # MariaDB leaves rights on routines behind whose names are not ASCII (seen with 10.11).
        mariadb.run([f"DELETE FROM mysql.procs_priv WHERE Db LIKE '{PREFIX}ch%'", "FLUSH PRIVILEGES"])

    #: As it is kept: without wild cards.
    pattern = DATABASE.replace("\\", "\\\\").replace("_", "\\_")

    @pytest.fixture
    def instance(self, of_server: Any, mariadb: Any, run: Any, found: Any) -> Instance:
        made: Instance = of_server(mariadb, "my")
        run("CREATE USER {app}", "CREATE USER {giver} IDENTIFIED BY 'x y'")
        run(*(f"CREATE ROLE {{{name.split()[0]}}}" for name in self.roles))
        kinds = {name: kind for name, (kind, _difference) in found(made).items()}
        assert kinds == dict.fromkeys((self.app, "giver@%", *self.roles), "added")
        return made

    def test_roles_in_roles_and_default_roles(self, instance: Instance, run: Any, found: Any) -> None:
        low, middle, high = self.roles
        run("GRANT {Low} TO {MID}", "GRANT {MID} TO {high}", "GRANT {high} TO {app} WITH ADMIN OPTION")
        assert found(instance) == {
            middle: ("privileges_changed", granted("role", [HERE + low], MEMBER=False)),
            high: ("privileges_changed", granted("role", [HERE + middle], MEMBER=False)),
            self.app: ("privileges_changed", granted("role", [HERE + high], MEMBER=True)),
        }
        run("SET DEFAULT ROLE {high} FOR {app}")
        assert found(instance) == {
            self.app: ("privileges_changed", granted("role", [HERE + high], DEFAULT=False))
        }
        run("SET DEFAULT ROLE NONE FOR {app}", "REVOKE ADMIN OPTION FOR {high} FROM {app}")
        changes = found(instance)
        assert changes[self.app][1]["privileges"]["role"] == {
            "granted": entry([HERE + high], MEMBER=False),
            "revoked": entry([HERE + high], DEFAULT=False, MEMBER=True),
        }
        run("DROP ROLE {Low}")
        changes = found(instance)
        assert changes[low][0] == "dropped"
        assert changes[middle] == ("privileges_changed", revoked("role", [HERE + low], MEMBER=False))

    @pytest.mark.parametrize(
        ("right", "category", "on", "rights"),
        [
            ("PROCESS ON *.*", "global", None, {"PROCESS": True}),
            ("INSERT, CREATE VIEW ON {pattern}.*", "database", [], {"INSERT": True, "CREATE_VIEW": True}),
            ("SELECT, DROP ON {database}.{odd}", "table", [ODD], {"SELECT": True, "DROP": True}),
            ("EXECUTE ON PROCEDURE {database}.{odd}", "routine", [ODD, "PROCEDURE"], {"EXECUTE": True}),
        ],
    )
    def test_granted_and_revoked(
        self, right: str, category: str, on: list[str] | None, rights: dict[str, bool], instance: Instance,
        run: Any, found: Any,
    ) -> None:  # fmt: skip
        where = [] if on is None else [self.pattern if category == "database" else DATABASE, *on]
        run(f"GRANT {right} TO {{app}} WITH GRANT OPTION")
        changes = found(instance)
        assert changes.keys() == {self.app}
        kind, difference = changes[self.app]
        assert (kind, difference["privileges"]) == (
            "privileges_changed",
            granted(category, where, **rights)["privileges"],
        )
        place = right.partition(" ON ")[2]
        run(f"REVOKE {right} FROM {{app}}", f"REVOKE GRANT OPTION ON {place} FROM {{app}}")
        changes = found(instance)
        assert changes.keys() == {self.app}
        assert changes[self.app][1]["privileges"] == revoked(category, where, **rights)["privileges"]

    def test_columns(self, instance: Instance, run: Any, found: Any) -> None:
        right = "SELECT ({odd}), UPDATE ({odd}, plain) ON {database}.{odd}"
        run(f"GRANT {right} TO {{app}}")
        wanted = [
            *entry([DATABASE, ODD, ODD], SELECT=False, UPDATE=False), *entry([DATABASE, ODD, "plain"], UPDATE=False),
        ]  # fmt: skip
        assert found(instance) == {
            self.app: ("privileges_changed", {"privileges": {"column": {"granted": wanted}}})
        }
        run(f"REVOKE {right} FROM {{app}}")
        assert found(instance) == {
            self.app: ("privileges_changed", {"privileges": {"column": {"revoked": wanted}}})
        }

    def test_a_chain_of_givers(self, instance: Instance, run: Any, found: Any, mariadb: Any) -> None:
        """Here a right that somebody has passed on stays when it is taken from the giver."""
        run("GRANT SELECT ON {database}.{odd} TO {giver} WITH GRANT OPTION")
        found(instance)
        mariadb.username, username = f"{HERE}giver", mariadb.username
        mariadb.password, password = "x y", mariadb.password
        mariadb.database, database = "", mariadb.database
        try:
            run("GRANT SELECT ON {database}.{odd} TO {app}")
        finally:
            mariadb.username, mariadb.password, mariadb.database = username, password, database
        place = [DATABASE, ODD]
        assert found(instance) == {self.app: ("privileges_changed", granted("table", place, SELECT=False))}
        run("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {giver}")
        assert found(instance) == {"giver@%": ("privileges_changed", revoked("table", place, SELECT=True))}

    def test_attributes_and_lock(self, instance: Instance, run: Any, found: Any) -> None:
        run("ALTER USER {app} ACCOUNT LOCK")
        assert found(instance) == {self.app: ("attributes_changed", attributes(locked=(False, True)))}
        run("ALTER USER {app} ACCOUNT UNLOCK", "ALTER USER {app} REQUIRE SSL WITH MAX_USER_CONNECTIONS 5")
        assert found(instance) == {
            self.app: (
                "attributes_changed",
                attributes(locked=(True, False), tls=("", "ANY"), most_connections=(0, 5)),
            )
        }
        run("ALTER USER {app} PASSWORD EXPIRE INTERVAL 30 DAY")
        (kind, difference) = found(instance)[self.app]
        assert kind == "attributes_changed"
        assert difference["attributes"]["password_lifetime_days"] == {"before": None, "after": 30}

    def test_a_new_name_is_another_account(self, instance: Instance, run: Any, found: Any) -> None:
        run("RENAME USER {app} TO {renamed}")
        kinds = {name: kind for name, (kind, _difference) in found(instance).items()}
        assert kinds == {self.app: "dropped", "new@%": "added"}
        run("DROP USER {renamed}")
        assert found(instance)["new@%"][0] == "dropped"
