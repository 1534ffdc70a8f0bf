"""HTTP to servers that somebody has named: an address is resolved once, looked at, and only then spoken to.

So that a task cannot be used to reach what only this machine reaches: its own ports, its network's, a cloud's
metadata. No redirects, no proxies; time and size are bounded.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from scheduling.exceptions import HttpFailed

#: Of an answer that much is read, and that much is given back as text.
READ_BYTES = 1024 * 1024
TEXT_CHARACTERS = 16_000
CONNECT_SECONDS = 10.0
#: Networks of IPv6 whose last 32 bits are an address of IPv4: NAT64's, and the old "compatible" ones.
HOLDING_IPV4 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
GIVEN_HEADERS = ("content-type", "content-length", "location", "retry-after", "date", "etag", "last-modified")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]  # those of GIVEN_HEADERS
    text: str
    is_cut: bool  # there was more than TEXT_CHARACTERS
    url: str  # without a login
    address: str
    seconds: float


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: Any = None,
    timeout_seconds: float,
    cut_short: Callable[[Callable[[], None]], AbstractContextManager[None]] | None = None,
) -> Answer:
    """Sends one request and reads the answer. Raises HttpFailed, which says at what it failed.

    ``cut_short`` is given what ends the request at once, from any thread, and holds it while the request lasts.
    """
    began = time.monotonic()
    parts = _parts(url)
    address = resolve(parts.hostname or "", _port(parts), min(timeout_seconds, CONNECT_SECONDS))
    data, given = _body(body, dict(headers))
    left = max(0.01, timeout_seconds - (time.monotonic() - began))
    connection = _connection(parts, address, left)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A server that sends a byte now and then outlasts any timeout of the socket: this one ends it.
    timer = threading.Timer(left, connection.line.cut)
    timer.daemon = True
    timer.start()
    try:
        with cut_short(connection.line.cut) if cut_short else contextlib.nullcontext():
            connection.request(method, path, body=data, headers=given)
            response = connection.getresponse()
            read = response.read(READ_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() - began >= timeout_seconds:
            raise HttpFailed(f"No answer within {timeout_seconds:g} s.") from error
        raise HttpFailed(f"{type(error).__name__}: {error}") from error
    finally:
        timer.cancel()
        connection.close()
    if len(read) > READ_BYTES:
        raise HttpFailed(f"The answer is larger than {READ_BYTES} bytes.")
    if time.monotonic() - began >= timeout_seconds:
        raise HttpFailed(f"No answer within {timeout_seconds:g} s.")
    text = read.decode(response.headers.get_content_charset() or "utf-8", "replace")
    found = {name: response.headers[name] for name in GIVEN_HEADERS if name in response.headers}
    cut = len(text) > TEXT_CHARACTERS
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return Answer(
        response.status, found, text[:TEXT_CHARACTERS], cut, shown, address, time.monotonic() - began
    )


def resolve(host: str, port: int, seconds: float = CONNECT_SECONDS) -> str:
    """The one address that will be spoken to. Raises HttpFailed when it is not allowed, or there is none."""
    found: SimpleQueue[str | Exception] = SimpleQueue()
    # The system's resolver knows no timeout of ours: it is left behind when it takes longer.
    threading.Thread(target=_look_up, args=(host, port, found), name="resolver", daemon=True).start()
    try:
        address = found.get(timeout=seconds)
    except Empty:
        raise HttpFailed(f"The name {host!r} was not resolved within {seconds:g} s.") from None
    if isinstance(address, Exception):
        raise HttpFailed(f"The name {host!r} cannot be resolved: {address}") from address
    if not is_allowed(address, host):
        raise HttpFailed(
            f"{host!r} leads to {address}, which is not a public address: refused unless the setting"
            " JOBSITE_HTTP_ALLOW names it."
        )
    return address


def _look_up(host: str, port: int, found: SimpleQueue[str | Exception]) -> None:
    try:
        found.put(str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]))
    except (OSError, UnicodeError) as error:
        found.put(error)


def is_allowed(address: str, host: str) -> bool:
    """Whether it is a public address, or one that the setting names: a host, an address or a network."""
    inner = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    for entry in getattr(settings, "JOBSITE_HTTP_ALLOW", ()):
        if entry.lower() == host.lower():
            return True
        with contextlib.suppress(ValueError):
            if inner in ipaddress.ip_network(entry, strict=False):
                return True
    return inner.is_global and not (inner.is_multicast or getattr(inner, "is_site_local", False))


def _innermost(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address of IPv4 that one of IPv6 stands for, where it does: a gateway may lead to it."""
    if isinstance(address, IPv4Address):
        return address
    known = address.ipv4_mapped or address.sixtofour
    if known is None and any(address in network for network in HOLDING_IPV4) and int(address) > 1:
        known = IPv4Address(int(address) & 0xFFFFFFFF)
    return known or address


def _parts(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError as error:
        raise HttpFailed(f"The address is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HttpFailed("The address must begin with http:// or https:// and name a host.")
    if parts.username or parts.password:
        raise HttpFailed("A login does not belong into the address: send it as a header.")
    return parts


def _port(parts: Any) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _body(body: Any, headers: dict[str, str]) -> tuple[bytes | None, dict[str, str]]:
    lower = {name.lower() for name in headers}
    headers.setdefault("User-Agent", "Jobsite") if "user-agent" not in lower else None
    if body is None:
        return None, headers
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), headers
    if "content-type" not in lower:
        headers["Content-Type"] = "application/json"
    return json.dumps(body).encode(), headers


def _connection(parts: Any, address: str, timeout_seconds: float) -> _Http:
    kind = _Https if parts.scheme == "https" else _Http
    connection = kind(parts.hostname, _port(parts), timeout=min(timeout_seconds, CONNECT_SECONDS))
    connection.address = address
    connection.patience = timeout_seconds
    return connection


class _Line:
    """What one request is made through: it can be cut from any thread, before it is there and while it lasts.

    It keeps the socket itself: a connection lets go of its own once the answer has begun and will be the last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._is_cut = False

    def through(self, sock: socket.socket) -> None:
        with self._lock:
            self._sock = sock
            if self._is_cut:
                self._shut()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            self._shut()

    def _shut(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                # Past TLS, whose own shutdown would let the reader take what has come so far for the whole answer.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


class _Http(http.client.HTTPConnection):
    """Speaks to the address that was looked at, whatever the name leads to a moment later."""

    address = ""
    patience = CONNECT_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.line = _Line()

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.port), self.timeout)
        self.sock.settimeout(self.patience)
        self.line.through(self.sock)


class _Https(_Http, http.client.HTTPSConnection):
    def connect(self) -> None:
        _Http.connect(self)
        # The handshake comes after: while it lasts the connection can be cut, too.
        self.sock = ssl.create_default_context().wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self.line.through(self.sock)
        self.sock.do_handshake()
