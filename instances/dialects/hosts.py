"""Which texts are the name or address of one server, and which are something else in disguise."""

from __future__ import annotations

import ipaddress
import re

from django.conf import settings
from django.utils.translation import gettext as _

#: A DNS name, also with the underscores that container networks use.
NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?)*\.?", re.IGNORECASE
)


def problem(host: str) -> str:
    """Why this is not one host, as a sentence; empty when it is one.

    The drivers read more into a host than its name: a path or "@" is a local socket, commas part several
    servers.
    """
    if host.startswith(("/", "@")):
        if host.startswith("/") and settings.JOBSITE_ALLOW_SOCKETS:
            return ""
        return _("Socket paths are not allowed here (JOBSITE_ALLOW_SOCKETS): give a host name or an address.")
    if "," in host:
        return _("“{host}” is a list: give one host name or address.").format(host=host)
    if NAME.fullmatch(host) or _is_address(host):
        return ""
    return _("“{host}” is neither a host name nor an IPv4 or IPv6 address.").format(host=host)


def canonical(host: str) -> str:
    """The one spelling of a host: names in lower case and without the last dot, addresses in their shortest form.

    Nobody is asked whether two names are one machine.
    """
    if host.startswith("/"):
        return host
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.casefold().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
