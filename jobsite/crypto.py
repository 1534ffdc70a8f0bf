"""Secrets at rest: encryption under a list of keys kept in a file, so that keys can be replaced while values
stay readable.

The file holds one Fernet key a line, newest first. It is made on first use, belongs to the service's user
alone (mode 0600) and is never derived from ``SECRET_KEY``: whoever has the database but not this file has no
password.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

#: Length of a key id: enough to tell keys apart, too little to say anything about the key.
ID_LENGTH = 16


class CryptoError(Exception):
    """A stored secret cannot be handled."""


class KeyFileExposed(CryptoError):
    """The key file may be read or changed by others."""


class KeyFileInvalid(CryptoError):
    """The key file does not hold keys."""


class CannotDecrypt(CryptoError):
    """No key in the key file opens this value."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted text and the id of the key that sealed it, as they are stored side by side."""

    key_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one reading of the file, newest first."""

    keys: tuple[bytes, ...] = field(repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(key_id(key) for key in self.keys)

    def seal(self, text: str) -> Sealed:
        """Encrypts under the newest key."""
        return Sealed(self.ids[0], self._cipher().encrypt(text.encode()).decode())

    def open(self, sealed: Sealed) -> str:
        """The text again. Raises ``CannotDecrypt``, which names the missing key."""
        try:
            return self._cipher().decrypt(sealed.token.encode()).decode()
        except InvalidToken:
            known = (
                "is in the key file, but does not fit"
                if sealed.key_id in self.ids
                else "is not in the key file"
            )
            raise CannotDecrypt(
                f"The value was sealed with key {sealed.key_id}, which {known} {path()}."
            ) from None

    def _cipher(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self.keys])


def key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:ID_LENGTH]


def path() -> Path:
    return Path(settings.JOBSITE_KEY_FILE)


def seal(text: str) -> Sealed:
    return keyring().seal(text)


def open_sealed(sealed: Sealed) -> str:
    return keyring().open(sealed)


_lock = threading.Lock()
_cached: tuple[tuple[object, ...], Keyring] | None = None


def keyring() -> Keyring:
    """The present keys; read anew when the file has changed, so that a rotation elsewhere needs no restart.

    Raises ``KeyFileExposed`` and ``KeyFileInvalid``.
    """
    global _cached
    file = path()
    with _lock:
        try:
            found = file.stat()
        except FileNotFoundError:
            _create(file)
            found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileInvalid(f"{file} is not a plain file.")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise KeyFileExposed(
                f"{file} has mode {mode:04o}: others could use the keys. Allowed is 0600 (chmod 600)."
            )
        mark = (file, found.st_ino, found.st_mtime_ns, found.st_size)
        if _cached is None or _cached[0] != mark:
            _cached = (mark, _parse(file))
        return _cached[1]


def add_key() -> str:
    """Puts a new key in front of the file's keys; gives its id. Values sealed before stay readable."""
    keys = keyring().keys
    fresh = Fernet.generate_key()
    _replace((fresh, *keys))
    return key_id(fresh)


def forget_keys(ids: set[str]) -> int:
    """Drops these keys from the file, never the newest; gives how many went. What they sealed is lost."""
    newest, *older = keyring().keys
    kept = [key for key in older if key_id(key) not in ids]
    _replace((newest, *kept))
    return len(older) - len(kept)


def _parse(file: Path) -> Keyring:
    keys = tuple(line.strip() for line in file.read_bytes().splitlines() if line.strip())
    try:
        for key in keys:
            Fernet(key)
    except ValueError:
        raise KeyFileInvalid(f"{file} holds a line that is no key (32 bytes in URL-safe base64).") from None
    if not keys:
        raise KeyFileInvalid(f"{file} is empty: restore it, or delete it if nothing has been stored yet.")
    return Keyring(keys)


def _draft(file: Path, keys: tuple[bytes, ...]) -> Path:
    draft = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(b"".join(key + b"\n" for key in keys))
        out.flush()
        os.fsync(out.fileno())
    return draft


def _create(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(file, (Fernet.generate_key(),))
    try:
        os.link(draft, file)  # refuses to replace: of two processes that start together, one wins
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _replace(keys: tuple[bytes, ...]) -> None:
    file = path()
    _draft(file, keys).replace(file)
