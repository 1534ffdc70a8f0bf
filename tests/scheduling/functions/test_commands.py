"""Programs and code as tasks: isolated, bounded, told by their exit code; off by default (S2-35)."""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError

from scheduling import clock as clocks
from scheduling.engine.run import run
from scheduling.executors.base import Outcome
from scheduling.executors.command import CommandExecutor
from scheduling.models import Task
from scheduling.services import executions, tasks
from scheduling.services.actor import Actor
from tests.conftest import TESTER, await_, new_task
from tests.scheduling.executors.orders import Returned, new_order

once = pytest.mark.usefixtures("no_database")


@pytest.fixture
def on(settings: Any, tmp_path: Path) -> None:
    settings.JOBSITE_ALLOW_COMMANDS = True
    settings.VAR_DIR = tmp_path
    settings.SCHEDULER = settings.SCHEDULER | {"kill_grace_seconds": 0.5}


@pytest.fixture
def returned() -> Returned:
    return Returned()


@pytest.fixture
def executor(on: None, returned: Returned) -> Iterator[CommandExecutor]:
    made = CommandExecutor(4)
    made.start(run, returned)
    yield made
    assert made.shutdown(10) == ()


@pytest.fixture
def do(executor: CommandExecutor, returned: Returned) -> Callable[..., Outcome]:
    def do(function: str, seconds: float | None = None, **more: Any) -> Outcome:
        order = {name: more.pop(name) for name in list(more) if hasattr(new_order(), name)}
        made = new_order(function=function, parameters=more, **order)
        if seconds is not None:
            made = replace(
                made, timeout_seconds=seconds, deadline_at=clocks.now() + timedelta(seconds=seconds)
            )
        executor.submit(made)
        return returned.wait(1)[0][1]

    return do


def text(outcome: Outcome) -> str:
    assert outcome.log is not None
    return "\n".join(f"{chunk.level} {chunk.text}" for chunk in outcome.log.drain().chunks)


def code(source: str) -> dict[str, Any]:
    return {"function": "run_code", "code": source}


@pytest.mark.processes
@once
def test_a_program_sees_nothing_of_the_schedulers(do: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the secret")
    outcome = do("run_command", command=["/usr/bin/env"], environment={"MINE": "ä b"})
    assert outcome.state == "succeeded", outcome
    said = json.loads(outcome.result)["output"]
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert names == {
        "PATH", "HOME", "TMPDIR", "LANG", "MINE", "JOBSITE_EXECUTION_ID", "JOBSITE_ATTEMPT", "JOBSITE_TASK_KEY",
        "JOBSITE_SCHEDULED_FOR", "JOBSITE_IDEMPOTENCY_KEY",
    }  # fmt: skip
    assert "MINE=ä b" in text(outcome)


@pytest.mark.processes
@once
def test_what_it_used_is_measured(do: Any) -> None:
    outcome = do(**code(f"import time; held = b'x' * ({50 << 20}); time.sleep(1)"))
    assert outcome.state == "succeeded", outcome
    assert 50 << 20 < outcome.peak_memory_bytes < 70 << 20
    assert 0 <= outcome.cpu_ms < 3_000


@pytest.mark.processes
@once
def test_a_small_programs_memory_is_not_the_fork_servers(do: Any) -> None:
    failed = do("run_command", command=["sh", "-c", "sleep 0.6; exit 4"])
    assert failed.exit_code == 4
    assert 0 < failed.peak_memory_bytes < 8 << 20


@pytest.mark.processes
@once
def test_code_runs_in_a_folder_of_its_own_that_is_gone_afterwards(do: Any, tmp_path: Path) -> None:
    source = (
        "import os, sys; open('x', 'w'); print(os.getcwd(), os.listdir('.'), 'django' in sys.modules)"
        "; print('e', file=sys.stderr)"
    )
    outcome = do(**code(source))
    assert outcome.state == "succeeded", outcome
    said = json.loads(outcome.result)["output"]
    assert str(tmp_path / "runs") in said
    assert "'x'" in said
    assert "False" in said, "a fresh program, not a copy of the scheduler"
    assert "WARNING e" in text(outcome)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.processes
@once
@pytest.mark.parametrize(
    ("parameters", "reason", "exit_code", "words"),
    [
        (code("raise SystemExit(7)"), "exit_code", 7, "exit code 7"),
        (code("import os; os.kill(os.getpid(), 11)"), "exit_code", -11, "SIGSEGV"),
        (code("while True: pass") | {"cpu_limit_seconds": 1}, "cpu_limit", None, "processor"),
        (
            code("kept=[]\nimport time\nwhile True: kept.append(b'x'*10**6); time.sleep(0.001)")
            | {"memory_limit_mb": 60},
            "memory_limit", None, "60 MiB",
        ),
        ({"function": "run_command", "command": ["/no/such"]}, "not_started", None, "No such file"),
        ({"function": "run_command", "command": ["false"]}, "exit_code", 1, "exit code 1"),
    ],
    ids=["exit", "signal", "cpu", "memory", "missing", "false"],
)  # fmt: skip
def test_how_it_ends_is_told(
    do: Any, parameters: dict[str, Any], reason: str, exit_code: int | None, words: str
) -> None:
    outcome = do(**parameters)
    assert (outcome.state, outcome.reason) == ("failed", reason), outcome
    assert words in outcome.message
    if exit_code is not None:
        assert outcome.exit_code == exit_code


@pytest.mark.processes
@once
def test_its_time_over_it_is_killed_with_all_that_it_started(do: Any) -> None:
    source = (
        "trap '' TERM; (trap '' TERM; sleep 600) & setsid sleep 600 & echo $! ; while true; do sleep 1; done"
    )
    began = time.monotonic()
    outcome = do("run_code", seconds=1, code=source, language="sh")
    assert (outcome.state, outcome.reason) == ("timed_out", "timeout")
    assert time.monotonic() - began < 5
    (pid,) = (line.split()[-1] for line in text(outcome).splitlines() if line.split()[-1].isdecimal())
    await_(lambda: not os.path.exists(f"/proc/{pid}"), 5, "what had left its session is gone")


@pytest.mark.processes
@once
@pytest.mark.parametrize(
    "way", [code("import time; time.sleep(600)"), {"function": "run_command", "command": ["sleep", "600"]}]
)
def test_what_hangs_does_not_hold_its_seat_for_ever(do: Any, settings: Any, way: dict[str, Any]) -> None:
    """Where the task has no timeout the installation has one for programs."""
    assert settings.SCHEDULER["command_timeout_seconds"] == 3_600
    settings.SCHEDULER = settings.SCHEDULER | {"command_timeout_seconds": 1}
    outcome = do(**way)
    assert (outcome.state, outcome.reason) == ("timed_out", "timeout")
    assert "longer than the 1 s that programs have (JOBSITE_COMMAND_TIMEOUT_SECONDS)" in outcome.detail


@pytest.mark.processes
@once
def test_the_tasks_own_timeout_goes_before_the_installations(do: Any, settings: Any) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"command_timeout_seconds": 1}
    assert do(**code("import time; time.sleep(1.5)"), seconds=20).state == "succeeded"


@pytest.mark.processes
@once
def test_the_installation_may_let_programs_run_for_ever(do: Any, settings: Any) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"command_timeout_seconds": 0}
    assert do(**code("import time; time.sleep(0.5)")).state == "succeeded"


@pytest.mark.processes
@once
def test_other_exit_codes_may_mean_success(do: Any) -> None:
    outcome = do("run_command", command=["sh", "-c", "exit 3"], success_codes=[0, 3])
    assert (outcome.state, json.loads(outcome.result)["exit_code"]) == ("succeeded", 3)


@pytest.mark.processes
@once
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_root_becomes_somebody_else_for_it(do: Any, settings: Any, tmp_path: Path) -> None:
    settings.JOBSITE_COMMAND_USER = "nobody"
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    outcome = do("run_command", command=["sh", "-c", "id -u; id -g; touch mine && ls"])
    assert outcome.state == "succeeded", outcome
    entry = pwd.getpwnam("nobody")
    assert json.loads(outcome.result)["output"].split() == [str(entry.pw_uid), str(entry.pw_gid), "mine"]


@once
@pytest.mark.django_db
def test_switched_off_it_does_not_run(settings: Any) -> None:
    settings.JOBSITE_ALLOW_COMMANDS = False
    outcome = run(new_order(function="run_command", parameters={"command": ["true"]}))
    assert (outcome.state, outcome.reason) == ("failed", "function_off")
    assert "JOBSITE_ALLOW_COMMANDS" in outcome.detail


# --- at the doors


@pytest.mark.django_db
def test_switched_off_no_task_of_it_can_be_saved(settings: Any) -> None:
    settings.JOBSITE_ALLOW_COMMANDS = False
    with pytest.raises(ValidationError) as caught:
        tasks.create(new_task(function="run_command", parameters={"command": ["true"]}), actor=TESTER)
    assert "JOBSITE_ALLOW_COMMANDS" in caught.value.message_dict["function"][0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a = 1\nprint(a", "Line 2: '(' was never closed."),
        ("return 5", "Line 1: 'return' outside function."),
        ("if True:\npass", "Line 2: expected an indented block after 'if' statement on line 1."),
        ("a\x0bb = '报表", "Line 1: "),
        ("(" * 5_000, "Line 1: too many nested parentheses."),
        ("-" * 50_000 + "1", "Python cannot compile it: "),
        ("x" + ".a" * 29_000, "Python cannot compile it: "),
        ("lambda:" * 8_500 + "1", "Python cannot compile it: "),
        ("if 1:\n pass\n" + "elif 1:\n pass\n" * 3_900, "Python cannot compile it: "),
        ("", "at least 1 character"),
    ],
)
def test_what_python_cannot_compile_is_refused_on_save(on: None, source: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        tasks.create(
            new_task(function="run_code", executor="command", parameters={"code": source}), actor=TESTER
        )
    (fault,) = caught.value.message_dict["parameters"]
    assert fault.startswith("code: ")
    assert said in fault
    shell = {"code": source or "true", "language": "sh"}
    assert tasks.create(
        new_task(function="run_code", executor="command", parameters=shell), actor=TESTER
    ).pk, "of shell nothing is known before it runs"


@pytest.mark.django_db
def test_a_person_needs_the_permission(on: None) -> None:
    user = get_user_model().objects.create_user("somebody")
    plain = Actor(user, "admin")

    def new(key: str, command: str = "true") -> Task:
        return new_task(key, function="run_command", executor="command", parameters={"command": [command]})

    with pytest.raises(ValidationError, match="run_commands"):
        tasks.create(new("mine"), actor=plain)
    made = tasks.create(new("given"), actor=TESTER)
    made.parameters = {"command": ["rm"]}
    with pytest.raises(ValidationError, match="run_commands"):
        tasks.edit(made, actor=plain)
    with pytest.raises(ValidationError, match="run_commands"):
        tasks.run_now(made.pk, actor=plain, parameters={"command": ["rm"]})
    ran = tasks.run_now(made.pk, actor=plain)
    assert ran.parameters == {"command": ["true"]}, "as it is, who may run tasks may run it"
    type(ran).objects.update(state="failed", reason="exit_code", finished_at=ran.queued_at)
    with pytest.raises(ValidationError, match="run_commands"):
        executions.retry(ran.pk, {"command": ["rm"]}, actor=plain)
    assert executions.retry(ran.pk, actor=plain).parameters == {"command": ["true"]}
    made = Task.objects.get(pk=made.pk)
    made.parameters = {"command": ["false"]}
    tasks.edit(made, actor=TESTER)
    with pytest.raises(ValidationError, match="run_commands"):
        executions.retry(ran.pk, actor=plain)  # what it did before it was mended
    user.user_permissions.add(Permission.objects.get(codename="run_commands"))
    allowed = Actor(get_user_model().objects.get(pk=user.pk), "admin")
    assert tasks.create(new("mine"), actor=allowed).pk
    assert executions.retry(ran.pk, {"command": ["ls"]}, actor=allowed).parameters == {"command": ["ls"]}
