from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied, ValidationError

from instances.exceptions import CredentialDisabled, TimedOut, UnknownInstance
from instances.models import Instance
from instances.services import credentials, instances
from jobsite.crypto import CannotDecrypt
from scheduling.services.actor import Actor
from tests.instances.servers import PASSWORD, TRUSTED

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Actor:
    """May change connections and use credentials."""
    user = User.objects.create_user("alice")
    user.user_permissions.set(Permission.objects.filter(codename__in=("change_connection", "use_credential")))
    return Actor(user=User.objects.get(pk=user.pk), source="admin")


def who_may_use(actor: Actor) -> Actor:
    """The same person, who may now use credentials."""
    actor.user.user_permissions.add(Permission.objects.get(codename="use_credential"))
    return Actor(user=User.objects.get(pk=actor.user.pk), source=actor.source)


@pytest.fixture
def bob() -> Actor:
    """May not."""
    return Actor(user=User.objects.create_user("bob"), source="admin")


BAD = [
    ({"name": ""}, "name", "blank"),
    ({"name": "x" * 101}, "name", "100"),
    ({"dialect": "oracle9"}, "dialect", "oracle9"),
    ({"host": ""}, "host", "needs a host"),
    ({"host": "/var/run/postgresql"}, "host", "JOBSITE_ALLOW_SOCKETS"),
    ({"host": "@abstract"}, "host", "JOBSITE_ALLOW_SOCKETS"),
    ({"host": "a.example,evil.example"}, "host", "list"),
    ({"host": "a b"}, "host", "host name"),
    ({"host": "host=evil.example"}, "host", "host name"),
    ({"host": "postgres://evil.example"}, "host", "host name"),
    ({"host": "user@evil.example"}, "host", "host name"),
    ({"host": "a\n"}, "host", "host name"),
    ({"port": 0}, "port", "1"),
    ({"port": 65_536}, "port", "65535"),
    ({"port": "many"}, "port", "integer"),
    ({"database": "dbname=x host=evil.example"}, "database", "connection string"),
    ({"database": "postgresql://evil.example/x"}, "database", "connection string"),
    ({"database": "x\0y"}, "database", "Null"),
    ({"credential": None}, "credential", "needs a credential"),
    ({"options": ["tls"]}, "options", "mapping"),
    ({"options": {"unix_socket": "/tmp/x"}}, "options", "no option 'unix_socket'"),
    ({"options": {"hostaddr": "10.0.0.1"}}, "options", "no option 'hostaddr'"),
    ({"options": {"service": "evil"}}, "options", "no option 'service'"),
    ({"options": {"init_command": "x"}}, "options", "no option 'init_command'"),
    ({"options": {"local_infile": 1}}, "options", "no option 'local_infile'"),
    ({"options": {"tsl": "require"}}, "options", "Did you mean 'tls'"),
    ({"options": {"tls": "maybe"}}, "options", "verify-full"),
    ({"options": {"tls": ["require"]}}, "options", "verify-full"),
    ({"options": {"tls": "verify-ca"}}, "options", "needs tls_ca"),
    ({"options": {"tls_ca": "ca.pem"}}, "options", "absolute path"),
    ({"options": {"connect_timeout_seconds": 0}}, "options", "0.1 to 60"),
    ({"options": {"connect_timeout_seconds": 61}}, "options", "0.1 to 60"),
    ({"options": {"connect_timeout_seconds": True}}, "options", "0.1 to 60"),
    ({"options": {"statement_timeout_seconds": "60"}}, "options", "0.1 to 3600"),
    ({"options": {"statement_timeout_seconds": 1e9}}, "options", "0.1 to 3600"),
    ({"dialect": "sqlite", "host": "x", "credential": None}, "host", "is a file"),
    ({"dialect": "sqlite", "host": "", "port": 1, "credential": None}, "port", "is a file"),
    ({"dialect": "sqlite", "host": "", "database": "/etc/passwd"}, "credential", "takes no credential"),
    ({"dialect": "sqlite", "host": "", "database": "/etc/hosts", "credential": None}, "database", "may lie"),
    ({"dialect": "sqlite", "host": "", "database": "", "credential": None}, "database", "absolute path"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "field", "words"), BAD)
def test_bad_input_is_refused_by_field(
    values: dict[str, Any], field: str, words: str, make_credential: Any
) -> None:
    good = {"name": "one", "dialect": "postgresql", "host": "db.example.com", "credential": make_credential()}
    with pytest.raises(ValidationError, match=words) as caught:
        instances.create(Instance(**good | values), actor=TRUSTED)
    assert set(caught.value.message_dict) == {field}
    assert not Instance.objects.exists()


@pytest.mark.parametrize(
    "host",
    ["db1", "DB1.example.com", "db_1.internal", "xn--bcher-kva.example", "10.0.0.5", "::1", "fe80::1%eth0"],
)
def test_good_hosts(host: str, make_instance: Any) -> None:
    assert make_instance(host=host).host == host


def test_sockets_need_the_setting(make_instance: Any, settings: Any) -> None:
    settings.JOBSITE_ALLOW_SOCKETS = True
    assert make_instance(host="/run/postgresql").pk


def test_names_that_differ_by_case_are_two(make_instance: Any) -> None:
    make_instance("Sales")
    make_instance("sales")
    with pytest.raises(ValidationError, match="name"):
        make_instance("sales")


CHANGES = [
    {"host": "evil.example.com"},
    {"port": 5433},
    {"dialect": "mysql"},
    {"options": {"tls": "disable"}},
    {"options": {"tls": "verify-ca", "tls_ca": "/tmp/mine.pem"}},
]


class TestStolenCredentials:
    """Whoever points an instance at a server of their own is sent its password."""

    @staticmethod
    def changed(instance: Instance, values: dict[str, Any]) -> Instance:
        fresh = Instance.objects.get(pk=instance.pk)
        for name, value in values.items():
            setattr(fresh, name, value)
        return fresh

    @pytest.mark.parametrize("values", CHANGES)
    def test_a_changed_connection_needs_the_permission(
        self, values: dict[str, Any], make_instance: Any, bob: Actor
    ) -> None:
        wanted = self.changed(make_instance(), values)
        with pytest.raises(PermissionDenied, match=r"instances\.change_connection"):
            instances.edit(wanted, actor=bob, password=PASSWORD)
        assert Instance.objects.get().host == "db.example.com"

    @pytest.mark.parametrize("values", CHANGES)
    @pytest.mark.parametrize("guess", ["", "wrong", PASSWORD.upper()])
    def test_and_the_password(
        self, values: dict[str, Any], guess: str, make_instance: Any, alice: Actor
    ) -> None:
        before = Instance.objects.filter(pk=make_instance().pk).values()
        as_it_was = before.get()
        wanted = self.changed(Instance.objects.get(), values)
        with pytest.raises(ValidationError) as caught:
            instances.edit(wanted, actor=alice, password=guess)
        assert list(caught.value.message_dict) == ["credential_password"]
        assert PASSWORD not in str(caught.value)
        assert before.get() == as_it_was

    @pytest.mark.parametrize("values", CHANGES)
    def test_with_both_it_is_stored(self, values: dict[str, Any], make_instance: Any, alice: Actor) -> None:
        wanted = self.changed(make_instance(), values)
        instances.edit(wanted, actor=alice, password=PASSWORD)
        stored = Instance.objects.get()
        assert {name: getattr(stored, name) for name in values} == values

    def test_an_allowed_host_needs_no_password(
        self, make_instance: Any, make_credential: Any, alice: Actor, bob: Actor
    ) -> None:
        credential = make_credential("c", allowed_hosts=["DB2.example.com", "db3.example.com:6000"])
        instance = make_instance(credential=credential)
        wanted = self.changed(instance, {"host": "db2.example.com"})
        with pytest.raises(PermissionDenied):
            instances.edit(wanted, actor=bob)
        instances.edit(wanted, actor=alice)
        instances.edit(self.changed(instance, {"host": "db3.example.com", "port": 6000}), actor=alice)
        with pytest.raises(ValidationError):
            instances.edit(self.changed(instance, {"host": "db3.example.com", "port": 6001}), actor=alice)

    def test_another_credential_needs_its_own_password(
        self, make_instance: Any, make_credential: Any, alice: Actor
    ) -> None:
        other = make_credential("other", password="the other one")
        wanted = self.changed(make_instance(), {"credential": other})
        with pytest.raises(ValidationError):
            instances.edit(wanted, actor=alice, password=PASSWORD)
        instances.edit(wanted, actor=alice, password="the other one")
        assert Instance.objects.get().credential == other

    def test_a_new_instance_is_no_way_round(self, make_credential: Any, alice: Actor, bob: Actor) -> None:
        credential = make_credential(allowed_hosts=["db.example.com"])
        mine = {"dialect": "postgresql", "credential": credential}
        with pytest.raises(PermissionDenied):
            instances.create(
                Instance(name="a", host="evil.example.com", **mine), actor=bob, password=PASSWORD
            )
        with pytest.raises(ValidationError):
            instances.create(Instance(name="b", host="evil.example.com", **mine), actor=alice)
        assert not Instance.objects.exists()
        with pytest.raises(PermissionDenied, match="use_credential"):
            instances.create(Instance(name="c", host="db.example.com", **mine), actor=bob)
        instances.create(Instance(name="c", host="db.example.com", **mine), actor=who_may_use(bob))
        instances.create(Instance(name="d", host="db9.example.com", **mine), actor=alice, password=PASSWORD)

    def test_other_fields_and_the_usual_port_written_out_are_free(
        self, make_instance: Any, bob: Actor
    ) -> None:
        values = {
            "description": "x",
            "active": False,
            "port": 5432,
            "options": {"tls": "prefer", "connect_timeout_seconds": 9},
        }
        instances.edit(self.changed(make_instance(), values), actor=bob)
        assert Instance.objects.get().description == "x"

    def test_commands_of_the_installation_are_trusted(self, make_instance: Any) -> None:
        instances.edit(self.changed(make_instance(), {"host": "db2.example.com"}), actor=TRUSTED)
        assert Instance.objects.get().host == "db2.example.com"


def test_an_edit_forgets_what_the_old_place_said(make_instance: Any) -> None:
    instance = make_instance()
    Instance.objects.update(status="ok", last_error="old")
    instance.host = "db2.example.com"
    instances.edit(instance, actor=TRUSTED)
    assert Instance.objects.values_list("status", "last_error").get() == ("unknown", "")


class TestRecycleBin:
    def test_delete_and_restore(self, make_instance: Any) -> None:
        instance = make_instance()
        instances.delete(instance, actor=TRUSTED)
        assert instance.deleted_at is not None
        assert not Instance.objects.present().exists()
        with pytest.raises(UnknownInstance):
            instances.named(["one"])
        instances.restore(instance, actor=TRUSTED)
        assert instances.named(["one"]) == [instance]

    def test_the_name_stays_taken_and_the_message_says_where(self, make_instance: Any) -> None:
        instances.delete(make_instance(), actor=TRUSTED)
        with pytest.raises(ValidationError, match="recycle bin"):
            make_instance()

    def test_what_lies_there_is_not_edited(self, make_instance: Any) -> None:
        instance = make_instance()
        instances.delete(instance, actor=TRUSTED)
        with pytest.raises(ValidationError, match="recycle bin"):
            instances.edit(instance, actor=TRUSTED)


def test_unknown_names_are_named_with_the_nearest(make_instance: Any) -> None:
    make_instance("billing")
    make_instance("asleep", active=False)
    with pytest.raises(UnknownInstance, match=r"'biling'.*'billing'.*'asleep'"):
        instances.named(["biling", "asleep"])


class TestConnectionTest:
    def test_success_is_written_down(self, of_server: Any, postgres: Any) -> None:
        instance = of_server(postgres, "pg")
        reading = instances.test_connection(instance, actor=TRUSTED)
        stored = Instance.objects.get()
        assert stored.status == "ok"
        assert stored.main_version == reading.main_version
        assert reading.version in stored.version
        assert stored.last_connected_at

    def test_failure_is_written_down_too(self, make_instance: Any, silent_port: int) -> None:
        instance = make_instance(host="127.0.0.1", port=silent_port, options={"connect_timeout_seconds": 0.3})
        with pytest.raises(TimedOut):
            instances.test_connection(instance, actor=TRUSTED)
        stored = Instance.objects.get()
        assert stored.status == "failed"
        assert "0.3 s" in stored.last_error

    def test_silent_servers_are_waited_for_together(self, make_instance: Any, silent_port: int) -> None:
        import time

        options = {"connect_timeout_seconds": 1}
        chosen = [
            make_instance(f"s{n}", host="127.0.0.1", port=silent_port, database=f"d{n}", options=options)
            for n in range(6)
        ]
        began = time.monotonic()
        outcomes = instances.test_connections(chosen, actor=TRUSTED)
        assert time.monotonic() - began < 6, "a second for each, one after the other"
        assert all(isinstance(outcome, TimedOut) for _instance, outcome in outcomes)

    def test_an_inactive_credential(self, make_instance: Any) -> None:
        instance = make_instance()
        instance.credential.active = False
        credentials.edit(instance.credential, actor=TRUSTED)
        with pytest.raises(CredentialDisabled, match="ops"):
            instances.test_connection(instance, actor=TRUSTED)

    def test_a_lost_key(self, make_instance: Any, settings: Any) -> None:
        instance = make_instance()
        settings.JOBSITE_KEY_FILE = settings.JOBSITE_KEY_FILE.with_name("others")
        with pytest.raises(CannotDecrypt):
            instances.test_connection(instance, actor=TRUSTED)
        assert "key" in Instance.objects.get().last_error
