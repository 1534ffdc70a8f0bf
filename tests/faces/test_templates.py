"""The content policy allows no script and no handler in a page: none stands in a template of ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = (ROOT / "templates", ROOT / "scheduling", ROOT / "instances", ROOT / "jobsite")
TEMPLATES = sorted(path for folder in FOLDERS for path in folder.rglob("*.html"))

FORBIDDEN = {
    "a script in the page": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "a style in the page": re.compile(r"<style\b|\sstyle=", re.IGNORECASE),
    "a handler in the page": re.compile(r"\son[a-z]+\s*=\s*[\"']", re.IGNORECASE),
    "a script as an address": re.compile(r"[\"']\s*javascript:", re.IGNORECASE),
    "something from elsewhere": re.compile(r"(?:src|href)=\"(?:https?:)?//", re.IGNORECASE),
    "text taken as HTML": re.compile(r"\|\s*safe\b|autoescape\s+off", re.IGNORECASE),
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_holds_nothing_that_the_policy_forbids(path: Path) -> None:
    text = re.sub(r"{#.*?#}", "", path.read_text(encoding="utf-8"))
    assert [words for words, pattern in FORBIDDEN.items() if pattern.search(text)] == []


def test_every_form_that_posts_has_a_token() -> None:
    without = []
    for path in TEMPLATES:
        for form in re.findall(
            r"<form\b[^>]*method=\"post\".*?</form>", path.read_text(encoding="utf-8"), re.DOTALL
        ):
            if "csrf_token" not in form:
                without.append(path.name)
    assert without == []


#: Lives only while it is computed; then it says itself of when it is.
OF_ITS_OWN_AGE = {"forecast"}


def test_every_part_that_lives_says_its_age() -> None:
    without = []
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        for part in re.findall(r"<[^<>]*?\bdata-live=(?:{%.*?%}|[^<>])*>", text.replace("<div", "\n<div")):
            own = re.search(r"\bid=\"(\w+)\"", part)
            if own is None or (own[1] not in OF_ITS_OWN_AGE and f'data-age-of="{own[1]}"' not in text):
                without.append(f"{path.name}: {part[:80]}")
    assert without == []
