"""Programs and code as tasks. Off unless JOBSITE_ALLOW_COMMANDS says so, and only for people with a permission."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Annotated, Literal

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from pydantic import Field

from scheduling.executors.processes.program import run_program
from scheduling.registry import task

CATEGORY = "command"
SETTING = "JOBSITE_ALLOW_COMMANDS"
PERMISSION = "scheduling.run_commands"

Word = Annotated[str, Field(max_length=8_192)]
Environment = dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)], Word]
ExitCodes = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1, max_length=20)]

#: Language → the program that runs a file of it.
INTERPRETERS: dict[str, list[str]] = {"python": [sys.executable, "-I"], "sh": ["/bin/sh", "-eu"]}


@task(_("Run a command"), category=CATEGORY, executor="command", setting=SETTING, permission=PERMISSION)
def run_command(
    command: Annotated[list[Word], Field(min_length=1, max_length=200)],
    environment: Environment | None = None,
    success_codes: ExitCodes | None = None,
) -> dict[str, object]:
    """Runs a program in a folder of its own, with an environment of its own; no shell is involved.

    Args:
        command: The program and its arguments, one by one.
        environment: Variables for the program, beside PATH, HOME, TMPDIR, LANG and JOBSITE_*.
        success_codes: The exit codes that mean success; only 0 if not given.
    """
    finished = run_program(command, environment=environment, success=success_codes or (0,))
    return {"exit_code": finished.exit_code, "output": finished.output}


def _faults(code: str, language: str, **_rest: object) -> Iterator[tuple[str, str]]:
    """What Python cannot compile. It is told when the task is saved, not at the first run in the night.

    CPython's own bounds end what is nested without end: such a text costs an error, not the process.
    """
    if language != "python":
        return
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(code, "code", "exec", dont_inherit=True)
    except SyntaxError as error:
        words = {"line": error.lineno or 1, "fault": error.msg}
        yield "code", gettext("Line %(line)d: %(fault)s.") % words
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        yield "code", gettext("Python cannot compile it: %s.") % (str(error) or type(error).__name__)


@task(
    _("Run code"),
    category=CATEGORY,
    executor="command",
    setting=SETTING,
    permission=PERMISSION,
    check=_faults,
)
def run_code(
    code: Annotated[str, Field(min_length=1, max_length=60_000)],
    language: Literal["python", "sh"] = "python",
    environment: Environment | None = None,
) -> dict[str, object]:
    """Runs a piece of code as a program of its own; an exit code other than 0 is a failure.

    Args:
        code: The code. Python is compiled when the task is saved, and refused where that fails.
        language: What it is written in.
        environment: Variables for the program, beside PATH, HOME, TMPDIR, LANG and JOBSITE_*.
    """
    finished = run_program([*INTERPRETERS[language], "code"], environment=environment, files={"code": code})
    return {"exit_code": finished.exit_code, "output": finished.output}
