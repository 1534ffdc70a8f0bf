"""``manage.py queue``."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from scheduling.services import queues


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("queue", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_pause_list_resume(make_task: Any) -> None:
    make_task("one", queue="slow")
    say("pause", "slow", "--reason", "night")
    assert queues.paused() == {"slow"}
    (row,) = [json.loads(line) for line in say("list", "--json").splitlines()]
    assert (row["name"], row["nodes"], row["reason"], bool(row["paused_at"])) == ("slow", 0, "night", True)
    assert "night" in say("list")
    say("resume", "slow")
    assert queues.paused() == set()
    for wrong in (("resume", "slow"), ("pause", "Two Words")):
        with pytest.raises(CommandError):
            say(*wrong)
