from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from jobsite import crypto


@pytest.fixture
def file(settings: Any) -> Path:
    return Path(settings.JOBSITE_KEY_FILE)


def test_the_file_is_made_on_first_use_for_this_user_alone(file: Path) -> None:
    sealed = crypto.seal("hunter2")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert crypto.open_sealed(sealed) == "hunter2"
    assert list(file.parent.iterdir()) == [file]


def test_of_many_that_begin_together_one_makes_the_key(file: Path) -> None:
    sealed: list[crypto.Sealed] = []
    threads = [threading.Thread(target=lambda: sealed.append(crypto.seal("x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.key_id for one in sealed}) == 1
    assert [crypto.open_sealed(one) for one in sealed] == ["x"] * 8


def test_nothing_shows_in_a_repr() -> None:
    sealed = crypto.seal("hunter2")
    assert sealed.token not in repr(sealed)
    assert "keys" not in repr(crypto.keyring())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_file_that_others_may_use_is_refused(mode: int, file: Path) -> None:
    crypto.seal("x")
    file.chmod(mode)
    with pytest.raises(crypto.KeyFileExposed, match="0600"):
        crypto.seal("x")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"not a key\n", Fernet.generate_key() + b"\nhalf a k\n"],
    ids=["empty", "blank lines", "no key", "half a key after a whole one"],
)
def test_a_file_without_keys_is_refused(content: bytes, file: Path) -> None:
    file.parent.mkdir()
    file.touch(mode=0o600)
    file.write_bytes(content)
    with pytest.raises(crypto.KeyFileInvalid):
        crypto.seal("x")


def test_a_folder_is_refused(file: Path) -> None:
    file.mkdir(parents=True, mode=0o700)
    with pytest.raises(crypto.KeyFileInvalid):
        crypto.seal("x")


def test_a_new_key_goes_in_front_and_old_values_stay_readable(file: Path) -> None:
    old = crypto.seal("old")
    newest = crypto.add_key()
    new = crypto.seal("new")
    assert new.key_id == newest != old.key_id
    assert crypto.keyring().ids == (newest, old.key_id)
    assert [crypto.open_sealed(old), crypto.open_sealed(new)] == ["old", "new"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_missing_key_is_named(file: Path) -> None:
    sealed = crypto.seal("x")
    crypto.add_key()
    assert crypto.forget_keys({sealed.key_id}) == 1
    with pytest.raises(crypto.CannotDecrypt, match=sealed.key_id):
        crypto.open_sealed(sealed)


def test_the_newest_key_is_never_forgotten() -> None:
    sealed = crypto.seal("x")
    assert crypto.forget_keys({sealed.key_id}) == 0
    assert crypto.open_sealed(sealed) == "x"


def test_a_key_file_replaced_by_another_process_is_noticed(file: Path) -> None:
    crypto.seal("x")
    other = file.with_name("other")
    other.touch(mode=0o600)
    other.write_bytes(Fernet.generate_key() + b"\n")
    os.replace(other, file)
    assert crypto.seal("x").key_id == crypto.key_id(file.read_bytes().strip())


def test_it_does_not_depend_on_the_secret_key(settings: Any) -> None:
    sealed = crypto.seal("x")
    settings.SECRET_KEY = "another one altogether"
    assert crypto.open_sealed(sealed) == "x"
