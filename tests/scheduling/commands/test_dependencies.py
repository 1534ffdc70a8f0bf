"""What a task runs after, by command."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from scheduling.models import Task
from scheduling.services import dependencies

pytestmark = pytest.mark.django_db


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command(*arguments)
    return capsys.readouterr().out


def test_dependencies(make_task: Callable[..., Task], capsys: pytest.CaptureFixture[str]) -> None:
    one, _two, _three = make_task("one"), make_task("two"), make_task("three")
    assert "runs after nothing" in said(capsys, "dependencies", "one")
    shown = said(capsys, "dependencies", "one", "--after", "two", "--after", "three:end", "--mode", "any")
    assert shown.splitlines() == ["one runs after any of:", "  three (end)", "  two (success)"]
    assert "After two run:" in said(capsys, "dependencies", "two")
    said(capsys, "dependencies", "one", "--mode", "all")
    assert len(dependencies.of(one.pk)) == 2, "the mode alone leaves them"
    for arguments, words in (
        (("--after", "tow"), "Did you mean 'two'"),
        (("--after", "two:sometimes"), "sometimes"),
        (("--after", "one"), "one → one"),
        (("--mode", "most"), "all, any"),
        (("--after", "two", "--clear"), "say one"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("dependencies", "one", *arguments)
    assert "runs after nothing" in said(capsys, "dependencies", "one", "--clear")
