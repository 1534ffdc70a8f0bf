"""Readings of accounts become rows, and each change is written down once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instances import tasks
from instances.dialects import DIALECTS
from instances.dialects.grants import Grant
from instances.dialects.readings import AccountReading, AccountsReading, ServerReading
from instances.exceptions import NothingVisible
from instances.models import AccountChange, InstanceAccount, SyncSession
from instances.services import account_retention, accounts, facts, histories
from instances.services.sessions import RowCounts

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SERVER = ServerReading("x 1", "1", "X", 1.0)
SELECT = Grant("table", ("shop", "public", "orders"), "SELECT")
CONNECT = Grant("database", ("shop",), "CONNECT")


def account(name: str = "app", *grants: Grant, **values: Any) -> AccountReading:
    values = {"username": name, "attributes": {"login": True}, "grants": grants} | values
    return AccountReading(name=name, **values)


@pytest.fixture
def sync(make_instance: Any) -> Any:
    """``sync(account, …)`` keeps a reading, an hour after the last one, and gives the counts."""
    instance, hours = make_instance(), iter(range(1_000))

    def keep(*found: AccountReading, leave_out: Any = None, **values: Any) -> RowCounts:
        reading = AccountsReading(SERVER, found, **values)
        now = NOON + timedelta(hours=next(hours))
        return accounts.save(instance, reading, session=None, now=now, leave_out=leave_out or {})

    return keep


def changes() -> list[tuple[str, str]]:
    return list(AccountChange.objects.order_by("id").values_list("name", "kind"))


def last(prefix: str = "") -> dict[str, Any]:
    """The newest change of an account whose name begins so: others use the same servers meanwhile."""
    changes = AccountChange.objects.filter(name__startswith=prefix).order_by("-id")
    return changes.values_list("difference", flat=True)[0]


def test_it_is_added_once_and_then_unchanged(sync: Any) -> None:
    assert sync(account("app", SELECT), account("App")) == RowCounts(created=2)
    assert sync(account("app", SELECT), account("App")) == RowCounts(unchanged=2)
    assert changes() == [("App", "added"), ("app", "added")]
    row = InstanceAccount.objects.get(name="app")
    assert row.privileges == {"table": [{"on": ["shop", "public", "orders"], "rights": {"SELECT": False}}]}
    assert (row.first_seen_at, row.last_seen_at) == (NOON, NOON + timedelta(hours=1))


def test_granted_and_revoked_by_category(sync: Any) -> None:
    sync(account("app", SELECT, CONNECT))
    insert = replace(SELECT, right="INSERT")
    assert sync(account("app", insert, replace(CONNECT, grantable=True))) == RowCounts(updated=1)
    assert changes()[1:] == [("app", "privileges_changed")]
    orders = ["shop", "public", "orders"]
    assert last() == {
        "privileges": {
            "database": {
                "granted": [{"on": ["shop"], "rights": {"CONNECT": True}}],
                "revoked": [{"on": ["shop"], "rights": {"CONNECT": False}}],
            },
            "table": {
                "granted": [{"on": orders, "rights": {"INSERT": False}}],
                "revoked": [{"on": orders, "rights": {"SELECT": False}}],
            },
        }
    }
    sentence = histories.sentence(AccountChange.objects.order_by("-id")[0])
    assert "granted INSERT on shop.public.orders" in sentence
    assert "granted CONNECT with grant option on shop" in sentence


def test_an_attribute_with_before_and_after(sync: Any) -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    sync(account(attributes={"login": True, "limit": 3}))
    sync(account(locked=True, expires_at=until, attributes={"login": False, "limit": 3, "new": 1}))
    assert changes()[1:] == [("app", "attributes_changed")]
    assert last() == {
        "attributes": {
            "locked": {"before": False, "after": True},
            "login": {"before": True, "after": False},
            "expires_at": {"before": None, "after": until.isoformat()},
        }
    }
    sync(account(locked=True, expires_at=until, attributes={"login": False, "limit": 3, "new": 1}))
    assert len(changes()) == 2


def test_it_disappears_and_comes_back(sync: Any) -> None:
    sync(account("app", SELECT), account("other"))
    assert sync(account("other")) == RowCounts(unchanged=1, dropped=1)
    row = InstanceAccount.objects.get(name="app")
    assert (row.active, row.dropped_at) == (False, NOON + timedelta(hours=1))
    assert sync(account("other")) == RowCounts(unchanged=1)
    assert sync(account("app", SELECT), account("other")) == RowCounts(updated=1, unchanged=1)
    row.refresh_from_db()
    assert (row.active, row.dropped_at) == (True, None)
    assert changes()[2:] == [("app", "dropped"), ("app", "restored")]
    assert last()["privileges"]["table"]["granted"]


def test_a_new_name_is_a_new_name(sync: Any) -> None:
    sync(account("app", SELECT, server_id="7"))
    assert sync(account("app2", SELECT, server_id="7")) == RowCounts(updated=1)
    assert changes()[1:] == [("app2", "renamed")]
    assert last() == {"attributes": {"name": {"before": "app", "after": "app2"}}}
    assert InstanceAccount.objects.get().name == "app2"


def test_the_same_number_with_other_rights_is_somebody_else(sync: Any) -> None:
    """As after an instance was pointed at another server."""
    sync(account("app", SELECT, server_id="7"))
    sync(account("boss", CONNECT, server_id="7"))
    assert sorted(changes()[1:]) == [("app", "dropped"), ("boss", "added")]


def test_nothing_read_changes_nothing(sync: Any) -> None:
    sync(account("app", SELECT))
    before = list(InstanceAccount.objects.values())
    with pytest.raises(NothingVisible):
        sync()
    assert list(InstanceAccount.objects.values()) == before


def test_rights_that_were_not_read_stay(sync: Any) -> None:
    sync(account("app", SELECT))
    assert sync(account("app", grants=None)) == RowCounts(unchanged=1)
    assert InstanceAccount.objects.get().privileges["table"]
    sync(account("app"))
    assert changes()[1:] == [("app", "privileges_changed")]


def test_rights_read_for_the_first_time_were_not_granted_just_now(sync: Any) -> None:
    sync(account("app", grants=None))
    assert sync(account("app", SELECT)) == RowCounts(unchanged=1)
    assert InstanceAccount.objects.get().privileges["table"]
    assert len(changes()) == 1


def test_a_database_that_refused_keeps_its_inner_rights(sync: Any) -> None:
    other = Grant("schema", ("other", "s"), "USAGE")
    sync(account("app", SELECT, CONNECT, other))
    assert sync(account("app", other), unread_databases=("shop",)) == RowCounts(updated=1)
    assert last() == {
        "privileges": {"database": {"revoked": [{"on": ["shop"], "rights": {"CONNECT": False}}]}}
    }
    assert set(InstanceAccount.objects.get().privileges) == {"schema", "table"}


def test_the_default_of_everybody_made_explicit_is_no_change(sync: Any) -> None:
    sync(account("PUBLIC", replace(CONNECT, default=True), kind="public"))
    assert InstanceAccount.objects.get().privileges["database"][0]["default"] == ["CONNECT"]
    assert sync(account("PUBLIC", CONNECT, kind="public")) == RowCounts(unchanged=1)
    assert "default" not in InstanceAccount.objects.get().privileges["database"][0]


def test_who_is_left_out(sync: Any, settings: Any) -> None:
    settings.JOBSITE_ACCOUNTS_LEFT_OUT = {"postgresql": ["etl_[12]"]}
    everybody = [account(name) for name in ("app", "pg_monitor", "etl_1", "etl_3", "tmp*", "tmpx")]
    assert sync(*everybody, leave_out={"postgresql": ["tmp*"], "mysql": ["app"]}) == RowCounts(created=2)
    assert {name for name, _kind in changes()} == {"app", "etl_3"}
    assert sync(*everybody) == RowCounts(created=2, unchanged=2)
    assert sync(account("app"), leave_out={"postgresql": ["*x", "tmp*"]}) == RowCounts(unchanged=1, dropped=1)


def test_every_kind_with_accounts_has_a_setting_of_those_to_leave_out(settings: Any) -> None:
    kinds = {name for name, dialect in DIALECTS.items() if dialect.supports_accounts}
    assert set(settings.JOBSITE_ACCOUNTS_LEFT_OUT) == kinds


def test_many_accounts_in_few_statements(sync: Any, django_assert_max_num_queries: Any) -> None:
    many = [account(f"u{number}", SELECT) for number in range(600)]
    sync(*many)
    with django_assert_max_num_queries(20):
        assert sync(*many[:-1], account("u599")) == RowCounts(updated=1, unchanged=599)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({}, {"no_expiry"}),
        ({"superuser": True, "grant_admin": True}, {"superuser", "no_expiry"}),
        ({"grant_admin": True}, {"may_grant", "no_expiry"}),
        ({"attributes": {"create_role": True, "replication": True}}, {"may_grant", "replication", "no_expiry"}),
        ({"grants": (replace(SELECT, grantable=True),)}, {"may_grant", "no_expiry"}),
        ({"locked": True}, {"locked", "no_expiry"}),
        ({"expires_at": NOON}, {"expired"}),
        ({"expires_at": NOON + timedelta(seconds=1)}, set()),
        ({"attributes": {"password_expired": True}}, {"password_expired"}),
        ({"host": "10.0.%"}, {"wildcard_host", "no_expiry"}),
        ({"username": ""}, {"anonymous", "no_expiry"}),
        ({"kind": "role", "locked": True}, {"unused_role"}),
        ({"kind": "role", "name": "held"}, set()),
        ({"kind": "public"}, set()),
    ],
)  # fmt: skip
def test_facts(values: dict[str, Any], codes: set[str]) -> None:
    found = facts.of(account(**({"name": "app"} | values)), {"held"}, NOON)
    assert {fact["code"] for fact in found} == codes
    assert all("{" not in facts.sentence(fact) for fact in found)


def test_a_right_to_grant_says_from_what_it_follows() -> None:
    (fact, _other) = facts.of(account("a", replace(SELECT, grantable=True)), set(), NOON)
    assert facts.sentence(fact) == "May give rights to others: GRANT OPTION (shop.public.orders)."


class TestRetention:
    """Old changes go in small steps, and with them the accounts that were dropped before."""

    @pytest.fixture
    def sync_at(self, make_instance: Any) -> Any:
        instance = make_instance()

        def keep(days: float, *found: AccountReading) -> RowCounts:
            reading = AccountsReading(SERVER, found)
            now = NOON + timedelta(days=days)
            return accounts.save(instance, reading, session=None, now=now, leave_out={})

        return keep

    def test_by_the_setting_or_by_the_parameter(self, sync_at: Any, clock: Any, settings: Any) -> None:
        settings.JOBSITE_KEEP_ACCOUNT_CHANGES_DAYS = 20
        clock.move(days=30)
        sync_at(0, account("app", SELECT))
        sync_at(10, account("app"))
        sync_at(11, account("app", SELECT))
        assert tasks.cleanup_old_account_changes() == {"changes": 1, "accounts": 0}
        assert changes() == [("app", "privileges_changed")] * 2
        assert tasks.cleanup_old_account_changes(keep_days=19) == {"changes": 1, "accounts": 0}
        assert tasks.cleanup_old_account_changes(keep_days=19) == {"changes": 0, "accounts": 0}
        assert sync_at(12, account("app", SELECT)) == RowCounts(unchanged=1)

    def test_the_dropped_go_and_those_that_came_back_stay(self, sync_at: Any) -> None:
        sync_at(0, account("gone"), account("back"), account("late"), account("app"))
        sync_at(1, account("app"), account("late"))
        sync_at(2, account("app"), account("late"), account("back"))
        sync_at(9, account("app"), account("back"))
        removed = account_retention.cleanup(now=NOON + timedelta(days=10), keep_days=5)
        assert removed.as_result() == {"changes": 4 + 2 + 1, "accounts": 1}
        assert set(InstanceAccount.objects.values_list("name", flat=True)) == {"app", "back", "late"}
        assert changes() == [("late", "dropped")]
        assert sync_at(11, account("app"), account("back"), account("gone")).created == 1
        assert changes()[1:] == [("gone", "added")]

    def test_in_small_steps_that_can_be_cancelled(
        self, sync_at: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from scheduling.context import NullRun, RunCancelled

        class Cancelled(NullRun):
            asked = 0

            def check_cancelled(self) -> None:
                Cancelled.asked += 1
                if Cancelled.asked == 3:
                    raise RunCancelled("by_person")

        monkeypatch.setattr(account_retention, "BATCH", 4)
        monkeypatch.setattr(account_retention, "current_run", Cancelled)
        sync_at(0, *(account(f"u{number}") for number in range(10)))
        with pytest.raises(RunCancelled):
            account_retention.cleanup(now=NOON + timedelta(days=10), keep_days=5)
        assert len(changes()) == 2
        account_retention.cleanup(now=NOON + timedelta(days=10), keep_days=5)
        assert changes() == []
        assert InstanceAccount.objects.count() == 10


class TestLive:
    """Changes made on real servers, each seen once at the next collection."""

    def collect(self, instance: Any) -> SyncSession:
        from instances.services import collection

        return collection.collect(collection.accounts_kind({}), [instance], origin="schedule")

    def changed(self, instance: Any, prefix: str) -> list[tuple[str, str]]:
        """What the next collection finds; the one after it finds nothing."""
        before = AccountChange.objects.order_by("-id").values_list("id", flat=True).first() or 0
        for _ in range(2):
            assert self.collect(instance).status == "completed"
        new = AccountChange.objects.filter(id__gt=before, name__startswith=prefix).order_by("id")
        return [(change.name.removeprefix(prefix), change.kind) for change in new]

    def test_postgresql(self, of_server: Any, postgres: Any) -> None:
        from tests.instances.servers import PREFIX

        prefix, instance, quote = f"{PREFIX}live ", of_server(postgres, "pg"), postgres.quote
        app, role = quote(prefix + 'A"p'), quote(prefix + "角色 😀")
        try:
            self.collect(instance)
            postgres.run([f"CREATE ROLE {app} LOGIN", f"CREATE ROLE {role}", f"GRANT {role} TO {app}"])
            assert self.changed(instance, prefix) == [('A"p', "added"), ("角色 😀", "added")]
            postgres.run([f"GRANT CREATE ON DATABASE postgres TO {app}"])
            assert self.changed(instance, prefix) == [('A"p', "privileges_changed")]
            postgres.run([f"REVOKE CREATE ON DATABASE postgres FROM {app}"])
            assert self.changed(instance, prefix) == [('A"p', "privileges_changed")]
            assert last(prefix) == {
                "privileges": {"database": {"revoked": [{"on": ["postgres"], "rights": {"CREATE": False}}]}}
            }
            postgres.run([f"ALTER ROLE {app} NOLOGIN"])
            assert self.changed(instance, prefix) == [('A"p', "attributes_changed")]
            renamed, app = f"ALTER ROLE {app} RENAME TO {quote(prefix + 'b')}", quote(prefix + "b")
            postgres.run([renamed])
            assert self.changed(instance, prefix) == [("b", "renamed")]
            postgres.run([f"DROP ROLE {app}"])
            assert self.changed(instance, prefix) == [("b", "dropped")]
            assert self.changed(instance, prefix) == []
        finally:
            postgres.run([f"DROP ROLE IF EXISTS {app}", f"DROP ROLE IF EXISTS {role}"])

    def test_mariadb(self, of_server: Any, mariadb: Any) -> None:
        from tests.instances.servers import PREFIX

        prefix, instance = f"{PREFIX}live ", of_server(mariadb, "my")
        app, role = f"'{prefix}A`p'@'10.%'", f"'{prefix}角色'"
        try:
            self.collect(instance)
            mariadb.run([f"CREATE USER {app}", f"CREATE ROLE {role}", f"GRANT {role} TO {app}"])
            assert self.changed(instance, prefix) == [("A`p@10.%", "added"), ("角色", "added")]
            mariadb.run([f"GRANT INSERT ON `my\\_db`.* TO {app}"])
            assert self.changed(instance, prefix) == [("A`p@10.%", "privileges_changed")]
            assert last(prefix)["privileges"]["database"]["granted"] == [
                {"on": ["my\\_db"], "rights": {"INSERT": False}}
            ]
            mariadb.run([f"REVOKE {role} FROM {app}"])
            assert self.changed(instance, prefix) == [("A`p@10.%", "privileges_changed")]
            mariadb.run([f"ALTER USER {app} ACCOUNT LOCK"])
            assert self.changed(instance, prefix) == [("A`p@10.%", "attributes_changed")]
            renamed, app = f"RENAME USER {app} TO '{prefix}b'@'%'", f"'{prefix}b'@'%'"
            mariadb.run([renamed])
            assert sorted(self.changed(instance, prefix)) == [("A`p@10.%", "dropped"), ("b@%", "added")]
            mariadb.run([f"DROP USER {app}"])
            assert self.changed(instance, prefix) == [("b@%", "dropped")]
        finally:
            mariadb.run([f"DROP USER IF EXISTS {app}", f"DROP ROLE IF EXISTS {role}"])

    def test_a_server_that_is_away_changes_nothing(self, of_server: Any, postgres: Any) -> None:
        from instances.models import Instance

        instance = of_server(postgres, "pg")
        self.collect(instance)
        before = list(InstanceAccount.objects.values())
        Instance.objects.filter(pk=instance.pk).update(port=1)
        assert self.collect(instance).status == "failed"
        assert list(InstanceAccount.objects.values()) == before
