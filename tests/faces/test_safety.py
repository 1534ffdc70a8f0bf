"""Logins, sessions, error pages and reports: no secret gets out, and nobody tries passwords for ever."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from instances.services import credentials
from tests.conftest import ROOT

SECRET = "Kq7-hunter2-Zx9"
LOGIN = "/admin/login/"


def try_login(client: Client, password: str, **headers: str) -> Any:
    return client.post(LOGIN, {"username": "admin", "password": password}, headers=headers)


class TestLogins:
    @pytest.fixture(autouse=True)
    def _few(self, settings: Any, admin_user: Any) -> None:
        settings.AXES_FAILURE_LIMIT = 3

    @pytest.mark.parametrize(
        ("language", "words"), [("en", "Too many failed logins"), ("zh-hans", 'lang="zh-hans"')]
    )
    def test_after_some_failures_even_the_right_password_waits(
        self, language: str, words: str, client: Client
    ) -> None:
        for _ in range(2):
            assert try_login(client, "wrong").status_code == 200
        told = try_login(client, "wrong", accept_language=language)
        assert told.status_code == 429
        assert words in told.content.decode()
        assert "15 min" in told.content.decode() or language != "en"
        assert try_login(client, "password").status_code == 429
        assert "_auth_user_id" not in client.session

    def test_another_address_is_not_locked_out(self, client: Client) -> None:
        for _ in range(4):
            try_login(client, "wrong")
        elsewhere = Client(REMOTE_ADDR="192.0.2.7")
        assert try_login(elsewhere, "password").status_code == 302

    def test_the_first_page_follows_a_login(self, client: Client) -> None:
        answer = try_login(client, "password")
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        cookie = client.cookies["sessionid"]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
        assert client.cookies["csrftoken"]["samesite"] == "Lax"

    def test_a_session_has_a_new_id_after_the_login(self, client: Client) -> None:
        session = client.session
        session["planted"] = 1
        session.save()
        client.cookies["sessionid"] = session.session_key
        try_login(client, "password")
        assert client.cookies["sessionid"].value != session.session_key


class TestErrorPages:
    @pytest.mark.parametrize(
        ("language", "title"), [("en", "There is no such page"), ("zh-hans", 'lang="zh-hans"')]
    )
    def test_a_missing_page(self, language: str, title: str, client: Client, db: None) -> None:
        answer = client.get("/nowhere/<b>", headers={"accept-language": language})
        text = answer.content.decode()
        assert answer.status_code == 404
        assert title in text
        assert "nowhere" not in text
        assert "plain.css" in text
        assert "Content-Security-Policy" in answer

    def test_what_one_may_not_do(self, client: Client, django_user_model: Any) -> None:
        client.force_login(django_user_model.objects.create_user("eve", is_staff=True))
        answer = client.get(reverse("admin:scheduling_task_changelist"))
        assert (answer.status_code, "You may not do this" in answer.content.decode()) == (403, True)

    def test_a_form_without_its_token(self, db: None) -> None:
        answer = Client(enforce_csrf_checks=True).post(LOGIN, {"username": "a", "password": SECRET})
        text = answer.content.decode()
        assert (answer.status_code, "This form has become old" in text, SECRET in text) == (403, True, False)

    def test_a_request_that_cannot_be_understood(self, client: Client, db: None) -> None:
        answer = client.get("/", headers={"host": "evil.example.com"})
        assert (answer.status_code, "cannot be understood" in answer.content.decode()) == (400, True)
        assert "evil" not in answer.content.decode()


class TestMistakes:
    """A mistake of the program while a password is at hand."""

    @pytest.fixture
    def failed(
        self,
        admin_client: Client,
        settings: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: Any,
    ) -> Any:
        settings.ADMINS = [("Ops", "ops@example.com")]
        settings.JOBSITE_KEY_FILE = tmp_path / "keys"

        def create(credential: Any, *, password: str, actor: Any) -> None:
            dsn = f"postgres://root:{password}@db/x"
            arguments = {"anything": [password, dsn]}
            raise RuntimeError(f"a mistake with {len(arguments)} variables")

        monkeypatch.setattr(credentials, "create", create)
        admin_client.raise_request_exception = False
        caplog.set_level(logging.DEBUG)
        form = {
            "name": "ops", "username": "root", "new_password": SECRET, "password": SECRET, "allowed_hosts": "[]",
            "description": "", "active": "on",
        }  # fmt: skip
        return admin_client.post(reverse("admin:instances_credential_add"), form)

    def test_the_page_says_nothing_of_it(self, failed: Any) -> None:
        text = failed.content.decode()
        assert failed.status_code == 500
        assert "The program has made a mistake" in text
        assert "RuntimeError" not in text
        assert SECRET not in text

    def test_the_mail_and_the_log_tell_the_mistake_and_no_secret(self, failed: Any, caplog: Any) -> None:
        (report,) = mail.outbox
        assert "a mistake with 1 variables" in report.body
        told = report.body + str(report.alternatives) + caplog.text
        assert SECRET not in told
        assert "postgres://root" not in told

    @pytest.mark.parametrize("debug", [False, True])
    def test_a_full_report_has_names_without_values(self, debug: bool, settings: Any) -> None:
        settings.DEBUG = debug
        settings.DATABASES["default"]["PASSWORD"], kept = (
            SECRET,
            settings.DATABASES["default"].get("PASSWORD", ""),
        )
        request = RequestFactory().post(
            "/", {"new_password": SECRET, "note": SECRET}, headers={"cookie": f"a={SECRET}"}
        )
        request.META["HTTP_AUTHORIZATION"] = f"Token {SECRET}"
        try:
            credential_password = dsn = harmless = SECRET
            raise RuntimeError("a mistake")
        except RuntimeError:
            reporter = ExceptionReporter(request, *sys.exc_info())
            html, text = reporter.get_traceback_html(), reporter.get_traceback_text()
        finally:
            settings.DATABASES["default"]["PASSWORD"] = kept
        # The source lines around the mistake are shown; they name the variables, not the values.
        assert credential_password == dsn == harmless
        assert SECRET not in html + text
        assert "harmless" in html
        assert "new_password" in html


def test_behind_https_every_check_of_django_passes_and_cookies_are_secure(tmp_path: Path) -> None:
    variables = os.environ | {"JOBSITE_HTTPS": "yes", "JOBSITE_VAR": str(tmp_path / "var"), "SECRET_KEY": ""}
    variables["DATABASE_URL"] = f"sqlite:///{tmp_path}/db.sqlite3"
    variables.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)  # a browser that this process has driven before needs it
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'jobsite.settings'\n"
        "import django; django.setup()\n"
        "from django.conf import settings as s; from django.core.management import call_command\n"
        "call_command('check', deploy=True, fail_level='WARNING')\n"
        "assert s.SESSION_COOKIE_SECURE and s.CSRF_COOKIE_SECURE and s.SESSION_COOKIE_HTTPONLY and not s.DEBUG\n"
        "assert s.SECURE_SSL_REDIRECT and s.SECURE_HSTS_SECONDS and s.X_FRAME_OPTIONS == 'DENY'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
