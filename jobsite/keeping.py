"""Answers that the asker's own browser may keep for a while: what changes with the program, never with its rows."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import quote_etag
from django.utils.translation import get_language

SECONDS = 300


def kept(request: HttpRequest, response: HttpResponse, said: str) -> HttpResponse:
    """The response, to be kept for five minutes by this browser and no proxy, and afterwards asked for by its ETag.

    ``said``: what it says; another text is another ETag. Whoever asks with another login or language asks anew.
    """
    named = f"{get_language()}\n{said}"
    etag = quote_etag(hashlib.sha256(named.encode()).hexdigest()[:32])
    response["ETag"] = etag
    patch_cache_control(response, private=True, max_age=SECONDS)
    patch_vary_headers(response, ("Authorization", "Cookie", "Accept-Language"))
    conditional = get_conditional_response(request, etag=etag, response=response)
    return response if conditional is None else conditional
