"""A person who reads Chinese finds no sentence of ours in English, on any page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import polib
import pytest
from django.db import connection
from django.test import Client
from django.utils.translation import get_language, override

from instances.parameter_words import PARAMETER_WORDS as INSTANCES_WORDS
from scheduling import registry, triggers
from scheduling.parameter_words import PARAMETER_WORDS as SCHEDULING_WORDS
from tests.conftest import ROOT
from tests.faces.conftest import World, addresses

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}|<[^>]*>")
#: What is said by attributes: on hover, to screen readers, in dialogs.
SAYING = re.compile(r'\b(?:title|placeholder|aria-label|alt|data-(?:title|text|none|failed))="([^"]*)"')


@pytest.fixture(autouse=True)
def _language_of_the_tests() -> Iterator[None]:
    """A request in Chinese leaves its language to the thread, and so to the tests behind it."""
    with override(get_language()):
        yield


def words_of_ours() -> dict[str, str]:
    """Pieces of what the program says in English, of two words or more, each with its message."""
    found = {}
    for path in ROOT.glob("locale/**/*.po"):
        for entry in polib.pofile(str(path)):
            for message in filter(None, (entry.msgid, entry.msgid_plural)):
                piece = max((part.strip() for part in PLACEHOLDER.split(message)), key=len)
                if re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", piece) and piece not in entry.msgstr:
                    found[" ".join(piece.split())] = message
    return found


def seen_in(page: str) -> str:
    """What a person reads of a page, on one line, without programs, logs, and what stands in text areas."""
    said = SAYING.findall(page)
    page = re.sub(r"<(script|style|textarea|pre|code)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(" ".join([re.sub(r"<[^>]*>", "\n", page), *said])).split())


def test_no_page_speaks_english(world: World, admin_client: Client) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("pages say the same on every database")
    admin_client.raise_request_exception = False
    messages, faults, pages = words_of_ours(), dict[str, str](), 0
    for address in addresses(world):
        if address.startswith(("/api/", "/static/", "/admin/logout")):
            continue
        answer: Any = admin_client.get(address, headers={"accept-language": "zh-hans"})
        if answer.streaming or "html" not in answer.headers.get("Content-Type", ""):
            continue
        pages += 1
        text = seen_in(answer.content.decode())
        for piece, message in messages.items():
            if piece in text:
                faults.setdefault(message, address)
    assert pages > 50
    assert faults == {}


def test_the_scripts_of_the_admin_are_told_our_words(client: Client) -> None:
    told = client.get("/admin/jsi18n/", headers={"accept-language": "zh-hans"}).content.decode()
    assert json.dumps("移除全部%s") in told  # ours
    assert json.dumps("可用 %s") in told  # Django's own


def test_the_words_of_parameters_are_those_of_the_functions() -> None:
    functions = registry.functions()
    said = {
        part["description"]
        for function in functions.values()
        for part in function.schema["properties"].values()
        if part.get("description") and function.module.startswith(("scheduling.", "instances."))
    }
    assert said == {*SCHEDULING_WORDS, *INSTANCES_WORDS}


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("cron", {"expression": "15 3 * * *"}, "每天 03:15:00"),
        ("cron", {"expression": "15 3 * * mon-fri"}, "星期一至星期五 03:15:00"),
        ("cron", {"expression": "0 2 1,15 * *"}, "每月1、15日 02:00:00"),
        ("cron", {"expression": "0 2 1 1,7 *"}, "一月、七月的1日 02:00:00"),
        ("cron", {"expression": "0 2 * 6 *"}, "六月的每天 02:00:00"),
        ("cron", {"expression": "0 9 * * FRI#3"}, "每月第三个星期五 09:00:00"),
        ("cron", {"expression": "*/10 9-17 * * mon-fri"}, "星期一至星期五，09:00 至 17:59，每 10 分钟"),
        ("cron", {"expression": "* * * * *"}, "每分钟"),
        ("interval", {"hours": 1, "minutes": 30}, "每 1 小时 30 分钟"),
        ("rrule", {"rule": "FREQ=MONTHLY;BYDAY=-1FR"}, "每月的最后一个星期五，00:00:00"),
        ("rrule", {"rule": "FREQ=DAILY;BYMONTH=6,7"}, "六月、七月，每天，00:00:00"),
    ],
)
def test_schedules_are_whole_sentences(kind: str, params: dict[str, Any], words: str) -> None:
    with override("zh-hans"):
        assert triggers.build(kind, params, zone="UTC").describe() == words
