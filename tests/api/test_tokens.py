"""Tokens: three doors to make one, one's own only, hashed, expiring, revoked."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from jobsite import tokens
from jobsite.models import Token
from tests.api.conftest import Api, errors

pytestmark = pytest.mark.django_db


def by_token(token: str) -> Any:
    return Api(token=token).get("tasks/")


@pytest.fixture
def secret(api: Api) -> str:
    return str(api.post("tokens/", {"days": 3}).data["token"])


def test_made_listed_used_revoked(api: Api, secret: str) -> None:
    assert secret.startswith("jobsite_")
    row = Token.objects.get()
    assert secret not in f"{row.digest}{row.token_key}"
    assert timedelta(days=2, hours=23) < row.expiry - timezone.now() <= timedelta(days=3)
    (listed,) = api.get("tokens/").data["results"]
    assert (listed["key"], set(listed)) == (secret[:15], {"key", "created_at", "expires_at"})
    assert by_token(secret).status_code == 200
    assert api.delete(f"tokens/{listed['key']}/").status_code == 204
    answer = by_token(secret)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")


def test_expired_or_of_somebody_who_left_or_no_token_at_all(api: Api, secret: str) -> None:
    Token.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert by_token(secret).status_code == 401
    fresh = tokens.make(api.user)[1]
    get_user_model().objects.update(is_active=False)
    assert by_token(fresh).status_code == 401
    for header in (
        "Token",
        "Token a b",
        "Token \xff",
        "Token " + "x" * 500,
        "Token a\0b",
        "Bearer x",
        "Token é",
    ):
        answer = Client(headers={"Authorization": header}).get("/api/v1/tasks/")
        assert (answer.status_code, answer.json()["type"]) == (401, "client_error"), header


def test_a_token_makes_no_tokens_and_sees_its_persons_only(api: Api, secret: str) -> None:
    program = Api(token=secret)
    answer = program.post("tokens/", {})
    assert (answer.status_code, Token.objects.count()) == (403, 1)
    other = tokens.make(get_user_model().objects.create_user("other"))[0]
    assert [row["key"] for row in program.get("tokens/").data["results"]] == [secret[:15]]
    assert program.delete(f"tokens/{other.token_key}/").status_code == 404
    assert Token.objects.count() == 2


def test_a_token_needs_no_csrf_and_can_do_what_its_person_can(api: Api, secret: str) -> None:
    program = Api(token=secret, csrf=True)
    assert program.post("groups/", {"key": "night", "name": "Night"}).status_code == 201
    get_user_model().objects.update(is_superuser=False)
    answer = program.post("groups/", {"key": "day", "name": "Day"})
    assert (answer.status_code, "scheduling.add_group" in answer.data["errors"][0]["detail"]) == (403, True)


def test_bad_days(api: Api) -> None:
    for days in (0, 3_651, "3", 1.5, True, None):
        assert "days" in errors(api.post("tokens/", {"days": days})), days


def test_by_command(api: Api) -> None:
    out = StringIO()
    call_command("create_token", "root", "--days", "1", stdout=out, stderr=StringIO())
    first = out.getvalue().strip()
    assert by_token(first).status_code == 200
    call_command("create_token", "root", "--revoke-others", stdout=StringIO(), stderr=StringIO())
    assert (by_token(first).status_code, Token.objects.count()) == (401, 1)
    for arguments, said in ((("rot",), "root"), (("root", "--days", "0"), "1 to 3650")):
        with pytest.raises(CommandError, match=said):
            call_command("create_token", *arguments, stdout=StringIO())


def test_in_the_admin(admin_client: Client, admin_user: Any) -> None:
    page = "/admin/jobsite/token/"
    answer = admin_client.post(f"{page}add/", {"user": admin_user.pk, "days": "5"}, follow=True)
    said = [str(message) for message in answer.context["messages"]]
    secret = next(text for text in said if "jobsite_" in text and "shown only now" in text).split()[-1]
    assert by_token(secret).status_code == 200
    row = Token.objects.get()
    assert admin_client.get(page).status_code == 200
    shown = admin_client.get(f"{page}{row.pk}/change/")
    assert (shown.status_code, secret in shown.content.decode()) == (200, False)
    assert admin_client.post(f"{page}{row.pk}/change/", {"user": "1", "days": "9"}).status_code == 403
    admin_client.post(f"{page}{row.pk}/delete/", {"post": "yes"})
    assert by_token(secret).status_code == 401
