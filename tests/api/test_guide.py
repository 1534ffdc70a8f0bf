"""docs/api.md: its commands and its program work as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from jobsite import tokens
from scheduling import clock
from scheduling.models import Execution, Node, State, Task
from scheduling.services import nodes
from tests.conftest import ROOT, await_

GUIDE = (ROOT / "docs" / "api.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="needs curl and bash")
@pytest.mark.django_db(transaction=True)
def test_commands_and_program(live_server: Any) -> None:
    user = get_user_model().objects.create_superuser("deployer")
    environment = os.environ | {"JOBSITE_URL": live_server.url, "JOBSITE_TOKEN": tokens.make(user)[1]}
    for command in blocks("sh"):
        done = subprocess.run(
            ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if "export/" in command:
            assert done.stdout.startswith("id,task,")
        else:
            assert json.loads(done.stdout)
    task = Task.objects.get(key="nightly-report")
    assert (task.priority, task.version) == (7, 2)
    (program,) = blocks("python")
    node = nodes.register(
        clock.refresh(), queues=["default"], functions=["echo"], seats={"thread": 1}, lease_seconds=15
    )
    runner = threading.Thread(target=finish_one, args=(node,))
    runner.start()
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    runner.join(60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("succeeded [3] None")


def finish_one(node: Node) -> None:
    """What a scheduler does: the run that was asked for succeeds."""
    try:
        execution = await_(
            lambda: Execution.objects.filter(state=State.QUEUED).first(), what="it is asked for"
        )
        Execution.objects.filter(pk=execution.pk).update(
            state=State.SUCCEEDED,
            node=node,
            attempt=1,
            started_at=clock.refresh(),
            finished_at=clock.refresh(),
            run_ms=5,
            result=execution.parameters["values"],
        )
    finally:
        connection.close()
