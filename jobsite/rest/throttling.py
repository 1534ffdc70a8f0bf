"""How often one caller may call: a token by itself, a person, or an address that gives neither."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.throttling import SimpleRateThrottle


class PerCaller(SimpleRateThrottle):
    """Counted in each web process by itself: with several, a caller may come to as many times the rate."""

    scope = "caller"

    def get_rate(self) -> str:
        return "1/s"  # replaced as soon as it is known who calls

    def allow_request(self, request: Any, view: Any) -> bool:
        known = bool(request.user and request.user.is_authenticated)
        rate = settings.JOBSITE_API_RATE if known else settings.JOBSITE_API_ANONYMOUS_RATE
        self.num_requests, self.duration = self.parse_rate(rate)
        return bool(super().allow_request(request, view))

    def get_cache_key(self, request: Any, view: Any) -> str:
        if not (request.user and request.user.is_authenticated):
            return f"throttle:address:{self.get_ident(request)}"
        token = getattr(request.auth, "digest", "")
        return f"throttle:token:{token[:32]}" if token else f"throttle:user:{request.user.pk}"
