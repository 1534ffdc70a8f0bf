"""What an error report may say. Passwords, keys, tokens and the addresses of databases never are in one."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class ReporterFilter(SafeExceptionReporterFilter):
    """Names without values, where a value might be a secret.

    A secret may stand in any variable of any frame (a driver's arguments, a form's data), so no local variable
    and no posted field shows its value, also not while debugging.
    """

    hidden_settings = re.compile(
        r"API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|CREDENTIAL|DATABASE|DSN|URL|INSTANCES|CSRF|HTTP_X",
        flags=re.IGNORECASE,
    )

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return dict.fromkeys(request.COOKIES, self.cleansed_substitute)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        if request is None:
            return {}
        return dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        return [(name, f"<{type(value).__name__}>") for name, value in tb_frame.f_locals.items()]
