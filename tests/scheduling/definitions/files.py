"""Loading as a person does it: a file, the command, what it says."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from django.core.management import CommandError, call_command


@dataclass
class Load:
    """What ``load_tasks`` said of one file."""

    counts: str
    said: str
    problems: list[str]
    failed: bool


@dataclass
class Loading:
    file: Path

    def __call__(self, text: str, *options: str) -> Load:
        self.file.write_text(text, encoding="utf-8")
        out, err = io.StringIO(), io.StringIO()
        failed = False
        try:
            call_command("load_tasks", str(self.file), *options, stdout=out, stderr=err, no_color=True)
        except CommandError:
            failed = True
        said = out.getvalue()
        problems = [line.removeprefix(f"{self.file}:") for line in err.getvalue().splitlines()]
        return Load(said.splitlines()[-1] if said else "", said, problems, failed)


def entry(key: str = "one", **values: str) -> str:
    """One entry of a file; values as they stand in YAML. An empty one is left out."""
    lines = {
        "key": key,
        "function": "noop",
        "trigger": "cron",
        "trigger_params": "{hour: 3}",
        "time_zone": "UTC",
    } | values
    text = "\n  ".join(f"{name}: {value}" for name, value in lines.items() if value)
    return f"- {text}\n"


def tasks_file(*entries: str) -> str:
    return "tasks:\n" + "".join(entries)
