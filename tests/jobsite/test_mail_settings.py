"""The mail server, as the environment names it."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from jobsite import environment


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"URL": "smtp://mail.example"}, ("mail.example", 25, "", "", False, False)),
        ({"URL": "smtp+tls://u:p%40x@m:2525"}, ("m", 2525, "u", "p@x", True, False)),
        ({"URL": "smtps://u@m"}, ("m", 465, "u", "", False, True)),
        ({"HOST": "m", "USER": "u", "PASSWORD": "p", "TLS": "starttls"}, ("m", 587, "u", "p", True, False)),
        ({"HOST": "m", "PORT": "26"}, ("m", 26, "", "", False, False)),
    ],
)
def test_a_mail_server(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[object, ...] | None
) -> None:
    for name in ("URL", "HOST", "PORT", "USER", "PASSWORD", "TLS"):
        monkeypatch.delenv(f"JOBSITE_EMAIL_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"JOBSITE_EMAIL_{name}", value)
    server = environment.mail_server("JOBSITE_EMAIL")
    assert (tuple(server.values()) if server else None) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "http://mail.example"),
        ("URL", "smtp://"),
        ("URL", "smtp://m:port"),
        ("TLS", "perhaps"),
        ("PORT", "0"),
    ],
)
def test_what_is_no_mail_server_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("JOBSITE_EMAIL_HOST", "m")
    monkeypatch.setenv(f"JOBSITE_EMAIL_{name}", value)
    with pytest.raises(ImproperlyConfigured, match="JOBSITE_EMAIL"):
        environment.mail_server("JOBSITE_EMAIL")
