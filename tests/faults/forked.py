"""What the nursery's processes begin with: imported once, before they are forked. Opens no connection."""

from __future__ import annotations

import os
from pathlib import Path

import django
from django.apps import apps

from tests.faults import failpoints

if not apps.ready:  # in the nursery; the tests' own process has been set up
    django.setup()
    __import__("scheduling.management.commands.runapscheduler")


def run(
    log: str, arguments: tuple[str, ...], dies_at: failpoints.Point | None, records_to: Path | None
) -> None:
    """The life of one node; ends the process with its exit code."""
    from django.core.management import call_command

    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    if dies_at is not None:
        failpoints.die_at(dies_at)
    if records_to is not None:
        failpoints.record_to(records_to)
    call_command("runapscheduler", *arguments)
