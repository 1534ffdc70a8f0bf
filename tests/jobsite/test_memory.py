"""What a web process has loaded is looked at by the collector no more: looking stops all its threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
import gc, importlib, sys
importlib.import_module("jobsite.{kind}")
assert "scheduling.admin" in sys.modules and "scheduling.api.urls" in sys.modules
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_web_process_keeps_what_it_has_loaded(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(kind=kind)], cwd=ROOT, env=dict(os.environ), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept, left = map(int, done.stdout.split())
    assert kept > 50_000
    assert left < kept / 20
