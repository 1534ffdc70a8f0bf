#!/usr/bin/env python3
"""Bring the translations up to date: collect what the program says, then compile what is translated.

    python3 deploy/messages.py            collect into locale/*/…/django.po, then compile
    python3 deploy/messages.py --compile  only compile

Needs gettext (apt-get install gettext). django-unfold comes without translations: what it says is collected
into locale/unfold. The compiled .mo files are kept in the repository, since an installation has no gettext.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import environment
from environment import ROOT

LANGUAGE = "zh_Hans"
#: The same at every collection: gettext would write the hour and its placeholders.
HEADER = """\
#
msgid ""
msgstr ""
"Project-Id-Version: jobsite\\n"
"Language: zh_Hans\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"""
#: Below a catalogue's folder.
CATALOGUE = Path(LANGUAGE) / "LC_MESSAGES"
OURS = ROOT / "locale"
UNFOLD = ROOT / "locale" / "unfold"
SKIPPED = ("tests", "benchmarks", "deploy", "docs", "var", ".venv", "static")


def main() -> None:
    try:
        python = environment.prepare("requirements-dev.txt")
    except environment.SetupError as error:
        environment.fail(error)
    if "--compile" not in sys.argv:
        collect(python, ROOT, OURS)
        with tempfile.TemporaryDirectory() as folder:
            package = copied_package(python, "unfold", Path(folder))
            collect(python, package, UNFOLD)
    for catalogue in (OURS, UNFOLD):
        for source in (catalogue / CATALOGUE).glob("*.po"):
            run(["msgfmt", "--check-format", "-o", str(source.with_suffix(".mo")), str(source)], ROOT)


def collect(python: Path, tree: Path, catalogue: Path) -> None:
    """Bring the catalogue's .po file in step with the texts in the tree, without line numbers: they only differ."""
    target = tree / "locale" / CATALOGUE
    target.mkdir(parents=True, exist_ok=True)
    kept = catalogue / CATALOGUE / "django.po"
    if tree != ROOT and kept.exists():
        shutil.copy(kept, target / "django.po")
    ignored = (
        [f"--ignore={name}" for name in (*SKIPPED, *(f"{name}/*" for name in SKIPPED))]
        if tree == ROOT
        else []
    )
    command = [
        str(python), "-m", "django", "makemessages", "--locale", LANGUAGE, "--no-location", "--no-wrap",
        "--no-obsolete", *ignored,
    ]  # fmt: skip
    run(command, tree)
    _header, separator, entries = (target / "django.po").read_text().partition("\n\n")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(HEADER + separator[1:] + entries)


def copied_package(python: Path, name: str, folder: Path) -> Path:
    """A copy of an installed package, since collecting writes into what it reads."""
    where = subprocess.run(
        [str(python), "-c", f"import {name}; print({name}.__path__[0])"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    return Path(shutil.copytree(where, folder / name, ignore=shutil.ignore_patterns("static", "__pycache__")))


def run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None or shutil.which("xgettext") is None:
        sys.exit("gettext is missing. Type:  sudo apt-get install gettext")
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
