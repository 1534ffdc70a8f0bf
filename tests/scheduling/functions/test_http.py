"""HTTP requests as tasks: nothing inside the own network unless allowed, no redirects, bounded in time and size."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from scheduling import context, outbound, runlog
from scheduling.context import RunCancelled, RunContext
from scheduling.exceptions import HttpFailed
from scheduling.functions.http import http_request
from tests.scheduling.executors.orders import new_order


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, dict[str, str], bytes]] = []
    dripping = threading.Event()

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        if self.path == "/moved":
            self._answer(302, b"", Location="http://127.0.0.1:1/")
        elif self.path == "/bad":
            self._answer(500, b"broken")
        elif self.path == "/big":
            self._answer(200, b"x" * (outbound.READ_BYTES + 1))
        elif self.path in ("/drip", "/drip-last"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            if self.path == "/drip-last":
                self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                dripping = self.dripping
                for _ in range(100):
                    self.wfile.write(b".")
                    dripping.set()
                    time.sleep(0.1)
        else:
            self._answer(200, "grüße".encode("latin-1"))

    do_POST = do_GET

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=latin-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def server(settings: Any) -> Iterator[str]:
    settings.JOBSITE_HTTP_ALLOW = ["127.0.0.0/8"]
    Handler.seen.clear()
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.block_on_close = False
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    thread.join()
    made.server_close()


def test_it_sends_and_gives_back(server: str) -> None:
    result = http_request(f"{server}/a?b=1", "POST", headers={"X-Mine": "1"}, body={"k": "ä"})
    assert (result["status"], result["body"], result["cut"]) == (200, "grüße", False)
    ((method, path, headers, body),) = Handler.seen
    assert (method, path, headers["X-Mine"]) == ("POST", "/a?b=1", "1")
    assert headers["Content-Type"] == "application/json"
    assert "Idempotency-Key" in headers
    assert body == b'{"k": "\\u00e4"}'


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/bad", "answered 500: broken"),
        ("/moved", "answered 302 \\(redirects are not followed\\)"),
        ("/big", "larger than"),
    ],
)
def test_what_is_no_success_fails(server: str, path: str, words: str) -> None:
    with pytest.raises(HttpFailed, match=words):
        http_request(server + path)


def test_other_statuses_may_mean_success(server: str) -> None:
    headers = http_request(f"{server}/moved", success_statuses=[302])["headers"]
    assert isinstance(headers, dict)
    assert headers["location"] == "http://127.0.0.1:1/"


@pytest.mark.parametrize("path", ["/drip", "/drip-last"])
def test_an_answer_that_drips_is_cut_off(server: str, path: str) -> None:
    began = time.monotonic()
    with pytest.raises(HttpFailed, match=r"No answer within 0\.5 s"):
        http_request(server + path, timeout_seconds=0.5)
    assert time.monotonic() - began < 8  # it would drip for ten


def test_a_resolver_that_hangs_outlasts_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()

    def hang(*_args: Any, **_options: Any) -> Any:
        hangs.wait(10)
        raise OSError("too late to be heard")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(HttpFailed, match=r"'slow\.test' was not resolved within 0\.2 s"):
        http_request("http://slow.test/", timeout_seconds=0.2)
    hangs.set()


@pytest.mark.parametrize("begun", [True, False])
def test_a_request_ends_when_its_run_is_asked_to_end(server: str, begun: bool) -> None:
    run = RunContext.of(new_order(), runlog.open_new())
    Handler.dripping = threading.Event()  # of its own: the server of another test may still drip
    if not begun:
        Handler.dripping.set()

    def cancel() -> None:
        Handler.dripping.wait(30)
        run.cancel("cancel_requested")

    canceller = threading.Thread(target=cancel)
    with context.entered(run):
        canceller.start()
        if not begun:
            canceller.join()
        with pytest.raises(RunCancelled):
            http_request(f"{server}/drip", timeout_seconds=8)
    canceller.join()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/", "http://10.0.0.1/",
        "http://192.168.1.1/", "http://172.16.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/",
        "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://0x7f000001/", "http://127.1/",
        "http://[fd00::1]/", "http://100.64.0.1/", "http://224.0.0.1/", "http://[2002:7f00:1::]/",
        "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[::7f00:1]/", "http://[fec0::1]/",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused_in_every_spelling(settings: Any, url: str) -> None:
    settings.JOBSITE_HTTP_ALLOW = []
    with pytest.raises(HttpFailed, match=r"not a public address|cannot be resolved"):
        http_request(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "must begin with"), ("ftp://example.com/", "must begin with"),
        ("http://", "must begin with"), ("http://user:secret@example.com/", "login"), ("http://a:99999/", "no URL"),
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str, words: str) -> None:
    with pytest.raises(HttpFailed, match=words) as caught:
        http_request(url)
    assert "secret" not in str(caught.value)


def test_a_name_is_resolved_once_and_what_was_looked_at_is_spoken_to(
    server: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere at the second look (DNS rebinding) gains nothing."""
    settings.JOBSITE_HTTP_ALLOW = ["127.0.0.1"]
    looks: list[str] = []
    resolve = socket.getaddrinfo

    def rebinding(host: str, *args: Any, **options: Any) -> Any:
        if host != "rebind.test":
            return resolve(host, *args, **options)
        looks.append(host)
        return resolve("127.0.0.1" if len(looks) == 1 else "127.0.0.2", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = server.rpartition(":")[2]
    assert http_request(f"http://rebind.test:{port}/")["status"] == 200
    assert looks == ["rebind.test"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for localhost that it has signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


def test_a_certificate_is_looked_at(
    settings: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOBSITE_HTTP_ALLOW = ["127.0.0.0/8", "::1"]
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads, made.block_on_close = True, False
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    made.socket = theirs.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    port = made.server_address[1]
    try:
        with pytest.raises(HttpFailed, match="CERTIFICATE_VERIFY_FAILED"):
            http_request(f"https://127.0.0.1:{port}/")
        trusting = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
        monkeypatch.setattr(outbound, "resolve", lambda *_args: "127.0.0.1")
        assert http_request(f"https://localhost:{port}/")["status"] == 200
        with pytest.raises(HttpFailed, match="Hostname mismatch"):
            http_request(f"https://elsewhere.test:{port}/")
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
