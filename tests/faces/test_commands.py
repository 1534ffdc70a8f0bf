"""Every command of ours has a test, help in words, and nothing half-named."""

from __future__ import annotations

import re

import pytest
from django.core.management import get_commands, load_command_class

from scheduling.management.verbs import VerbCommand
from tests.conftest import ROOT

OURS = sorted(name for name, app in get_commands().items() if app in ("jobsite", "scheduling", "instances"))
#: How a test names a command: as a word in quotation marks, or as an argument of manage.py.
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("name", OURS)
def test_a_command_has_a_test_and_says_what_it_does(name: str) -> None:
    assert re.search(rf"[\"' ]{name}[\"', ]", TESTS), f"no test names {name}"
    command = load_command_class(get_commands()[name], name)
    assert len(str(command.help).split()) > 3
    command.create_parser("manage.py", name).format_help()


def _verbs() -> list[tuple[str, str]]:
    commands = {name: load_command_class(get_commands()[name], name) for name in OURS}
    return [
        (name, verb)
        for name, each in commands.items()
        if isinstance(each, VerbCommand)
        for verb in each.verbs
    ]


@pytest.mark.parametrize(("name", "verb"), _verbs())
def test_each_verb_has_a_test(name: str, verb: str) -> None:
    command = load_command_class(get_commands()[name], name)
    assert isinstance(command, VerbCommand)
    assert len(str(command.verbs[verb]).split()) > 2
    called = rf"\"{name}\", \"{verb}\"|\(\(?\"{verb}\""
    assert re.search(called, TESTS), f"no test names {name} {verb}"
