"""``preview_trigger`` computes what the scheduler computes."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db
AFTER = "2026-06-01T12:00:00Z"


def preview(*arguments: str) -> str:
    out = io.StringIO()
    call_command("preview_trigger", *arguments, stdout=out)
    return out.getvalue()


def test_times_in_the_zone_and_in_utc() -> None:
    said = preview("--cron", "0 3 * * *", "--timezone", "Asia/Shanghai", "--after", AFTER, "--count", "2")
    assert "en: Every day at 03:00:00\nzh-hans: 每天 03:00:00\n" in said
    assert "  2026-06-02 03:00:00+08:00   2026-06-01T19:00:00+00:00\n" in said
    assert len([line for line in said.splitlines() if line.startswith("  2026")]) == 2


def test_other_kinds() -> None:
    said = preview("interval", "--params", '{"minutes": 5}', "--after", AFTER, "--count", "1")
    assert "2026-06-01T12:05:00+00:00" in said


FAULTS = [
    ((), "--params or --cron"),
    (("crn", "--params", "{}"), "Allowed are cron, interval, date"),
    (("interval", "--cron", "* * * * *"), "kind cron only"),
    (("--cron", "61 * * * *"), "61"),
    (("--cron", "* * * * *", "--count", "0"), "--count: 0 is out of range: 1 to 1000"),
    (("--cron", "* * * * *", "--after", "soon"), "--after: ISO 8601"),
    (("--cron", "* * * * *", "--after", "0001-01-01T00:00:00+23:00"), "--after: a year from 1970"),
    (("--cron", "* * * * *", "--timezone", "Mars"), "time_zone"),
    (("interval", "--params", "[]"), "--params: a JSON object"),
    (("interval", "--params", "{"), "--params: this is not JSON"),
]


@pytest.mark.parametrize(("arguments", "part"), FAULTS)
def test_a_fault_names_the_argument(arguments: tuple[str, ...], part: str) -> None:
    with pytest.raises(CommandError) as caught:
        preview(*arguments)
    assert part in str(caught.value)


def test_lines_in_lines_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = [
        {
            "type": "date",
            "params": {"run_date": "2027-01-31 03:00:00"},
            "timezone": "Asia/Shanghai",
            "after": AFTER,
        },
        {"type": "cron", "params": {"expression": "99 * * * *"}, "after": AFTER},
        {"params": {"hour": 3}, "count": 3, "after": AFTER},
        {"params": {"hour": 3}, "count": 0},
        {"params": {"hour": 3}, "timezone": 8},
        {"type": ["cron"], "params": None},
        {"params": {"hour": 3}, "after": 5},
        3,
    ]
    lines = [*(json.dumps(each) for each in asked), "{"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    answers = [json.loads(line) for line in preview("--stdin").splitlines()]
    assert len(answers) == len(lines)
    assert answers[0]["times"] == ["2027-01-30T19:00:00+00:00"]
    assert len(answers[2]["times"]) == 3
    assert [list(answer) for index, answer in enumerate(answers) if index not in (0, 2)] == [["error"]] * 7
