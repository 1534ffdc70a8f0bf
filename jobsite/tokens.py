"""Tokens for programs: their making and their end. The database keeps a hash; the token itself is shown once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings

from jobsite.models import Token

DAYS: int = settings.JOBSITE_TOKEN_DAYS
MOST_DAYS = 3_650


def make(user: Any, *, days: int = DAYS) -> tuple[Token, str]:
    """A new token of this person, valid for so many days; gives the row and the token."""
    row, secret = Token.objects.create(user, expiry=timedelta(days=days))
    return row, secret


def revoke(token: Token) -> None:
    """From now on nobody gets in with it."""
    token.delete()


def revoke_all(user: Any) -> None:
    """Ends every token of this person."""
    Token.objects.filter(user=user).delete()
