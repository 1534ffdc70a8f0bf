"""Everything that a person sees is said in Chinese too, and what is compiled is what was translated."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.db import connection
from django.utils.translation import gettext, override

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = sorted(ROOT.glob("locale/**/*.po"))
#: What a translation must hand through: %(name)s, %s, {name}.
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
NAMES = [str(path.relative_to(ROOT)) for path in CATALOGUES]


def placeholders(text: str) -> list[str]:
    return sorted(set(PLACEHOLDER.findall(text)))


def translations(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_every_text_is_translated_and_keeps_its_placeholders(path: Path) -> None:
    faults = []
    for entry in polib.pofile(str(path)):
        for text in translations(entry):
            if not text or entry.fuzzy:
                faults.append(f"not translated: {entry.msgid!r}")
            # A number may be said by the sentence itself, but nothing may be asked for that is not given.
            elif not set(placeholders(text)) <= set(placeholders(entry.msgid + (entry.msgid_plural or ""))):
                faults.append(f"other placeholders: {entry.msgid!r} → {text!r}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", CATALOGUES, ids=NAMES)
def test_what_is_compiled_is_what_was_translated(path: Path) -> None:
    def rows(file: polib.POFile | polib.MOFile) -> dict[tuple[str, str | None], list[str]]:
        return {(entry.msgid, entry.msgctxt): translations(entry) for entry in file if entry.msgid}

    assert rows(polib.mofile(str(path.with_suffix(".mo")))) == rows(polib.pofile(str(path)))


def test_no_text_of_the_program_is_left_out(tmp_path: Path) -> None:
    """What gettext finds in the program is what the catalogue holds (mended by deploy/messages.py)."""
    if connection.vendor != "sqlite":
        pytest.skip("the program says the same on every database")
    if shutil.which("xgettext") is None and os.environ.get("CI") != "true":
        pytest.skip("gettext is not installed")
    for name in ("jobsite", "scheduling", "instances", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    found = tmp_path / "locale/zh_Hans/LC_MESSAGES/django.po"
    found.parent.mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": ""}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "django", "makemessages", "--locale", "zh_Hans", "--no-location"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120)
    said = {entry.msgid for entry in polib.pofile(str(found))}
    kept = {entry.msgid for entry in polib.pofile(str(ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"))}
    assert said == kept


def test_both_catalogues_are_used() -> None:
    with override("zh-hans"):
        assert gettext("Type to search") == "输入以搜索"  # unfold's own
        assert gettext("timed out") != "timed out"  # ours
