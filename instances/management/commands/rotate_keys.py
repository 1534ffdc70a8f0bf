"""Puts a new key in front and seals every stored password under it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.services import credentials
from jobsite import crypto


class Command(BaseCommand):
    help = _(
        "Makes a new key, re-encrypts all stored passwords under it, "
        "and can forget keys that nothing uses any more."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--keep-key", action="store_true",
            help=_("Make no new key; only finish a rotation that was cut short."),
        )  # fmt: skip
        parser.add_argument(
            "--forget-old", action="store_true",
            help=_("Remove the keys from the file that no password is sealed with."),
        )  # fmt: skip

    def handle(self, *_args: Any, keep_key: bool, forget_old: bool, **_options: Any) -> None:
        try:
            if bad := credentials.unreadable():
                names = ", ".join(name for name, _key in bad[:10])
                text = _("Nothing was changed: %(number)d passwords cannot be decrypted: %(names)s.")
                raise CommandError(text % {"number": len(bad), "names": names})
            newest = crypto.keyring().ids[0] if keep_key else crypto.add_key()
            count = credentials.reencrypt()
            text = _("%(number)d passwords are now sealed with key %(key)s.")
            self.stdout.write(text % {"number": count, "key": newest})
            if forget_old:
                self._forget()
        except crypto.CryptoError as error:
            raise CommandError(str(error)) from error

    def _forget(self) -> None:
        unused = set(crypto.keyring().ids) - credentials.keys_in_use()
        text = _("%d keys forgotten. Old backups need them: keep a copy of those.")
        self.stdout.write(text % crypto.forget_keys(unused))
