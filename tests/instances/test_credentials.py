from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command

from instances.checks import credentials_can_be_decrypted, key_file_is_usable
from instances.models import Credential
from instances.services import credentials
from jobsite import crypto
from scheduling.services.actor import Actor
from tests.instances.servers import PASSWORD, TRUSTED

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor() -> Actor:
    """A person who may change connections."""
    user = User.objects.create_user("alice")
    user.user_permissions.add(Permission.objects.get(codename="change_connection"))
    return Actor(user=User.objects.get(pk=user.pk), source="admin")


def test_the_password_is_stored_sealed(make_credential: Any) -> None:
    make_credential()
    row = Credential.objects.get()
    assert PASSWORD not in row.password_token
    assert row.password_key == crypto.keyring().ids[0]
    assert row.reveal_password() == PASSWORD


def test_an_edit_without_a_password_keeps_it(make_credential: Any, actor: Actor) -> None:
    credential = make_credential()
    credential.username = "someone"
    credentials.edit(credential, actor=actor)
    row = Credential.objects.get()
    assert (row.username, row.reveal_password()) == ("someone", PASSWORD)


def test_an_edit_does_not_undo_a_rotation(make_credential: Any, actor: Actor) -> None:
    credential = make_credential()
    call_command("rotate_keys", "--forget-old")
    credentials.edit(credential, actor=actor)
    assert Credential.objects.get().reveal_password() == PASSWORD


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "blank"),
        ("name", "x" * 101, "100"),
        ("username", "", "blank"),
        ("username", "a\0b", "Null"),
        ("allowed_hosts", "db1", "list of hosts"),
        ("allowed_hosts", [1], "list of hosts"),
        ("allowed_hosts", ["/tmp"], "JOBSITE_ALLOW_SOCKETS"),
        ("allowed_hosts", ["a,b"], "list"),
        ("allowed_hosts", ["db1:0"], "65535"),
        ("allowed_hosts", ["db1:99999"], "65535"),
        ("allowed_hosts", ["user@db1"], "host name"),
        ("allowed_hosts", ["*"], "host name"),
        ("password", "line\nbreak", "line breaks"),
        ("password", "nul\0", "NUL"),
        ("password", "x" * 1001, "1000"),
    ],
)
def test_bad_input_is_refused_by_field(field: str, value: Any, words: str) -> None:
    values = {"name": "ops", "username": "root"}
    password = value if field == "password" else "x"
    if field != "password":
        values[field] = value
    with pytest.raises(ValidationError, match=words) as caught:
        credentials.create(Credential(**values), password=password, actor=TRUSTED)
    assert set(caught.value.message_dict) == {field}
    assert not Credential.objects.exists()


def test_names_differ_by_case_and_accent_and_are_unique(make_credential: Any) -> None:
    for name in ("Ops", "ops", "öps", "ops "):
        make_credential(name)
    with pytest.raises(ValidationError, match="name"):
        make_credential("ops")
    assert Credential.objects.count() == 4


class TestFurtherHosts:
    """Adding a host would let anybody point an instance at it and read the password there."""

    def test_needs_the_password(self, make_credential: Any, actor: Actor) -> None:
        credential = make_credential()
        credential.allowed_hosts = ["evil.example.com"]
        with pytest.raises(ValidationError) as caught:
            credentials.edit(credential, actor=actor, password="guess")
        assert list(caught.value.message_dict) == ["password"]
        assert Credential.objects.get().allowed_hosts == []
        credentials.edit(credential, actor=actor, password=PASSWORD)
        assert Credential.objects.get().allowed_hosts == ["evil.example.com"]

    def test_needs_the_permission(self, make_credential: Any) -> None:
        credential = make_credential()
        credential.allowed_hosts = ["evil.example.com"]
        bob = Actor(user=User.objects.create_user("bob"), source="admin")
        with pytest.raises(PermissionDenied, match="change_connection"):
            credentials.edit(credential, actor=bob, password=PASSWORD)

    def test_is_free_with_a_new_password_and_for_fewer(self, make_credential: Any, actor: Actor) -> None:
        credential = make_credential(allowed_hosts=["a", "b"])
        credential.allowed_hosts = ["a"]
        credentials.edit(credential, actor=actor)
        credential.allowed_hosts = ["c"]
        credentials.edit(credential, actor=actor, new_password="mine")
        assert Credential.objects.get().reveal_password() == "mine"

    def test_an_anonymous_api_is_not_trusted(self, make_credential: Any) -> None:
        credential = make_credential()
        credential.allowed_hosts = ["evil.example.com"]
        with pytest.raises(PermissionDenied):
            credentials.edit(credential, actor=Actor(source="api"), password=PASSWORD)


def test_one_in_use_cannot_be_deleted(make_instance: Any) -> None:
    instance = make_instance("billing")
    with pytest.raises(ValidationError, match="billing"):
        credentials.delete(instance.credential, actor=TRUSTED)
    assert Credential.objects.count() == 1


class TestRotation:
    def test_all_are_sealed_anew(self, make_credential: Any, capsys: Any) -> None:
        for number in range(5):
            make_credential(f"c{number}", password=f"password {number}")
        make_credential("empty", password="")
        before = crypto.keyring().ids
        call_command("rotate_keys")
        newest = crypto.keyring().ids[0]
        assert crypto.keyring().ids == (newest, *before)
        assert credentials.keys_in_use() == {newest}
        assert [row.reveal_password() for row in Credential.objects.order_by("name")] == [
            *(f"password {number}" for number in range(5)),
            "",
        ]
        said = capsys.readouterr().out
        assert said.startswith(f"5 passwords are now sealed with key {newest}")

    def test_again_finishes_what_was_cut_short(self, make_credential: Any) -> None:
        make_credential()
        crypto.add_key()
        call_command("rotate_keys", "--keep-key", "--forget-old")
        assert len(crypto.keyring().ids) == 1
        assert Credential.objects.get().reveal_password() == PASSWORD

    def test_nothing_happens_when_one_cannot_be_read(self, make_credential: Any, settings: Any) -> None:
        make_credential("lost one")
        settings.JOBSITE_KEY_FILE = settings.JOBSITE_KEY_FILE.with_name("others")
        with pytest.raises(CommandError, match="lost one"):
            call_command("rotate_keys")
        assert len(crypto.keyring().ids) == 1


class TestChecks:
    def test_all_is_well(self, make_credential: Any) -> None:
        make_credential()
        assert credentials_can_be_decrypted(["default"]) == key_file_is_usable() == []

    def test_a_wrong_key_file_stops_the_start(self, make_credential: Any, settings: Any) -> None:
        key = make_credential("lost one").password_key
        settings.JOBSITE_KEY_FILE = settings.JOBSITE_KEY_FILE.with_name("others")
        (error,) = credentials_can_be_decrypted(["default"])
        assert error.id == "instances.E002"
        assert "lost one" in error.msg
        assert key in error.msg
        with pytest.raises(Exception, match=r"instances\.E002"):
            call_command("check", "--database", "default")

    def test_an_exposed_key_file_stops_the_start(self, make_credential: Any, settings: Any) -> None:
        make_credential()
        settings.JOBSITE_KEY_FILE.chmod(0o644)
        (error,) = key_file_is_usable()
        assert error.id == "instances.E001"
