"""Makes a token for a program that calls the API."""

from __future__ import annotations

import argparse
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from jobsite import tokens
from scheduling.words import did_you_mean


class Command(BaseCommand):
    help = _(
        "Makes a token with which a program calls the API as a person; prints it once, it is stored hashed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--days", type=int, default=tokens.DAYS, help=_("For how long it is valid."))
        parser.add_argument(
            "--revoke-others", action="store_true", help=_("End the tokens that the person has so far.")
        )

    def handle(self, *, username: str, days: int, revoke_others: bool, **_options: Any) -> None:
        if not 1 <= days <= tokens.MOST_DAYS:
            text = _("--days: %(days)d is out of range: 1 to %(most)d is allowed.")
            raise CommandError(text % {"days": days, "most": tokens.MOST_DAYS})
        users = get_user_model()._default_manager
        user = users.filter(username=username).first()
        if user is None:
            names = list(users.order_by("username").values_list("username", flat=True)[:2_000])
            text = _("There is no person %(name)r.") % {"name": username}
            raise CommandError(text + did_you_mean(username, names))
        if not user.is_active:
            raise CommandError(_("%(name)s is not active.") % {"name": username})
        if revoke_others:
            tokens.revoke_all(user)
        row, secret = tokens.make(user, days=days)
        assert row.expiry is not None  # noqa: S101 (for mypy)
        until = row.expiry.isoformat(timespec="seconds")
        self.stderr.write(_("valid until %(until)s; shown only now:") % {"until": until})
        self.stdout.write(secret)
