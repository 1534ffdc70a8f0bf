"""What holds of every address that the web process has, whoever wrote it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from scheduling import clock
from scheduling.models import Node
from tests.faces.conftest import SECRET, World, addresses, everything

#: Ends the browser's session, which is what it is for; Django takes a GET only to refuse it.
LEFT_OUT = re.compile(r"^/static/|^/admin/logout/$")
#: Says by 503 that no scheduler runs.
HEALTH = re.compile(r"^/api/v1/health/?$|^/healthz/scheduler$")
#: A moment as a program prints it, or Django's own form for the admin: "Nov. 30, 2026, 5:40 a.m.".
RAW_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?![\d:.]| (?:[A-Z]{3,5}\b|[+-]\d\d))"  # "… 03:00:00 CST" has its zone
    r"|\d{4}, (?:\d{1,2}(?::\d\d)? [ap]\.m\.|noon|midnight)"
)


@pytest.fixture
def answers(world: World, admin_client: Client) -> list[tuple[str, Any]]:
    """Of all addresses, while no scheduler runs; asking for them has changed no row."""
    Node.objects.update(heartbeat_at=clock.now() - timedelta(days=1))
    admin_client.raise_request_exception = False
    before = everything()
    found = [
        (address, admin_client.get(address)) for address in addresses(world) if not LEFT_OUT.match(address)
    ]
    after = everything()
    assert {name for name in before if before[name] != after[name]} == set()
    return found


def text_of(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return content.decode(errors="replace")


def without_times(text: str) -> str:
    """The page's visible words, less what the filter ``moment`` has made."""
    text = re.sub(r"<time\b.*?</time>", "", text, flags=re.DOTALL)
    text = re.sub(r"<(script|textarea|option|pre)\b.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", "\n", text)


def test_a_get_with_an_actions_fields_changes_no_row(world: World, admin_client: Client) -> None:
    admin_client.raise_request_exception = False
    before = everything()
    for address in addresses(world):
        if re.fullmatch(r"/admin/\w+/\w+/|/scheduler/.*", address):
            for action in ("run", "pause", "delete_selected", "test_connections", "collect_sizes", "drain"):
                pk = world.rows["scheduling_task"].pk
                admin_client.get(f"{address}?action={action}&_selected_action={pk}&select_across=1&post=yes")
    after = everything()
    assert {name for name in before if before[name] != after[name]} == set()


def test_they_answer_safely(answers: list[tuple[str, Any]], world: World) -> None:
    """One walk, because the walk is what costs: no fault, a policy, no secret, no script in a page, no raw time, and
    the red banner on every page of the admin's look.
    """
    token = world.rows["instances_credential"].password_token
    faults = []
    for address, answer in answers:
        text = text_of(answer)
        if answer.status_code >= 500 and not HEALTH.search(address):
            faults.append(f"{address}: {answer.status_code}")
        policy = answer.headers.get("Content-Security-Policy", "")
        if (
            "script-src 'self'" not in policy
            or "'unsafe-inline'" in policy.split("script-src")[1].split(";")[0]
        ):
            faults.append(f"{address}: content policy {policy!r}")
        if SECRET in text or token in text:
            faults.append(f"{address}: a password")
        if "html" not in answer.headers.get("Content-Type", ""):
            continue
        if re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text):
            faults.append(f"{address}: a script in the page")
        if re.search(r"<[^>]*\son(click|load|submit|change|error)=", text):
            faults.append(f"{address}: a handler in the page")
        if 'id="away"' in text and text.count('class="alarm"') != 1:
            faults.append(f"{address}: no banner")
        if "/admin/" in address and (found := RAW_MOMENT.search(without_times(text))):
            faults.append(f"{address}: a time without its zone: {found[0]!r}")
    assert len(answers) > 80
    assert faults == [], faults


def test_strangers_see_a_login_or_nothing(world: World, client: Client) -> None:
    """Neither who is logged out nor who has no right at all reads a row by guessing its address."""
    client.raise_request_exception = False
    public = re.compile(
        r"^/($|healthz|i18n/|admin/(login|jsi18n|logout)/|admin/[^?]*catch)|^/readyz|^/static/|schema|docs|^/api/v1/health"
    )
    nobody = Client(raise_request_exception=False)
    nobody.force_login(User.objects.create_user("nobody", is_staff=True))
    open_to_staff = re.compile(
        r"^/api/v1/tokens/$|^/admin/($|password_change/|time-zone/|search/$|scheduling/$|instances/$)"
    )
    told = []
    for address in addresses(world):
        if public.search(address):
            continue
        if client.get(address).status_code == 200:
            told.append(f"logged out: {address}")
        if not open_to_staff.match(address) and nobody.get(address).status_code == 200:
            told.append(f"without rights: {address}")
    assert told == [], told
