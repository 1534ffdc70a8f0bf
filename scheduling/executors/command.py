"""Runs functions that run a program: a thread here waits for each, the program has processes of its own."""

from __future__ import annotations

from scheduling.executors.thread import ThreadExecutor


class CommandExecutor(ThreadExecutor):
    """The seats are its own, so that programs that take long leave the threads to the others.

    A run is ended for good when it is cancelled or its time is over: its program is killed with all that it has
    started (``processes.program``).
    """

    can_kill = True
    holds_limits = True
    runs_programs = True
