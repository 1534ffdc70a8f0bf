"""Tokens: hashed, expiring, made by ``manage.py create_token``, the API or the admin."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

_TOKEN = re.compile(rb"[0-9A-Za-z_]{16,200}\Z")


class TokenHeader(TokenAuthentication):
    """``Authorization: Token …``. What cannot be a token is refused before anybody looks for it."""

    def authenticate_credentials(self, token: bytes) -> Any:
        if not _TOKEN.match(token):
            raise AuthenticationFailed(_("Invalid token."))
        return super().authenticate_credentials(token)
