"""Verbs of executions: ``manage.py execution cancel ID…``, ``execution show ID --follow``."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from scheduling.management.arguments import mapping
from scheduling.management.json_rows import attempt_row, execution_row
from scheduling.management.verbs import VerbCommand
from scheduling.models import ENDED, Attempt, Execution, ExecutionLog
from scheduling.services import executions, explain

POLL_SECONDS = 0.5
#: Pieces of a log (8 KiB at most each) that are read at once.
LOG_BATCH = 200


class Command(VerbCommand):
    help = _("Cancels executions, runs them again, shows one with its log, or explains it.")
    verbs: ClassVar[dict[str, Any]] = {
        "cancel": _("End what has not started, and ask what runs to end."),
        "retry": _("Run an execution again that has ended; one that waits for its retry is tried at once."),
        "show": _("Show an execution with its earlier attempts, its result, its error and its log."),
        "explain": _("Say why it is as it is, and where the time went before it started."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb == "cancel":
            parser.add_argument("ids", nargs="+", type=int, metavar="ID")
            return
        parser.add_argument("id", type=int, metavar="ID")
        if verb == "retry":
            parser.add_argument("--parameters", metavar="JSON", help=_("Instead of those that it had."))
            parser.add_argument("--idempotency-key", default="", help=_("Asking again runs nothing more."))
            parser.add_argument("--force", action="store_true", help=_("Run beside a run of the same task."))
        elif verb == "show":
            parser.add_argument("--follow", action="store_true", help=_("Until it has ended."))

    def verb_cancel(self, options: dict[str, Any]) -> None:
        actor = self.actor(options)

        def work(text: str) -> str:
            return self.told(executions.cancel(int(text), actor=actor), options)

        self.each([str(id) for id in options["ids"]], work)

    def verb_retry(self, options: dict[str, Any]) -> None:
        given = options["parameters"]
        parameters = None if given is None else mapping("--parameters", given)

        def work(text: str) -> str:
            again = executions.retry(
                int(text),
                parameters,
                actor=self.actor(options),
                idempotency_key=options["idempotency_key"],
                force=options["force"],
            )
            return self.told(again, options)

        self.each([str(options["id"])], work)

    def verb_explain(self, options: dict[str, Any]) -> None:
        answer = explain.of(_execution(options["id"]))
        words = "\n".join([answer.answer, *(f"  - {fact}" for fact in answer.facts)])
        self.stdout.write(self.show(asdict(answer), words, options))

    def verb_show(self, options: dict[str, Any]) -> None:
        """With ``--json``: a line for each piece of the log, and the execution as the last one."""
        seen = (0, -1)
        while True:
            execution = _execution(options["id"])
            # The state is read before the log: what is written between the two is shown, too.
            seen = self._log(execution.pk, seen, options)
            if not options["follow"] or execution.state in ENDED:
                break
            time.sleep(POLL_SECONDS)
        self.stdout.write(self.told(execution, options, complete=True))

    def _log(self, pk: int, seen: tuple[int, int], options: dict[str, Any]) -> tuple[int, int]:
        """Prints what the log has after ``seen`` (attempt, number); returns where it ends."""
        while True:
            later = ExecutionLog.objects.filter(execution_id=pk, attempt__gte=seen[0])
            later = later.exclude(attempt=seen[0], seq__lte=seen[1]).order_by("attempt", "seq")
            pieces = list(later[:LOG_BATCH])
            for piece in pieces:
                at = piece.at.isoformat(timespec="milliseconds")
                known = {"attempt": piece.attempt, "at": piece.at, "level": piece.level, "text": piece.text}
                self.stdout.write(self.show({"log": known}, f"{at} {piece.level} {piece.text}", options))
                seen = (piece.attempt, piece.seq)
            if len(pieces) < LOG_BATCH:
                return seen

    def told(self, execution: Execution, options: dict[str, Any], *, complete: bool = False) -> str:
        row = execution_row(execution)
        words = f"#{execution.pk} {execution.task_key} {execution.state} {execution.detail}".rstrip()
        if complete:
            earlier = list(Attempt.objects.filter(execution_id=execution.pk).order_by("attempt"))
            row |= {
                "executor": execution.executor,
                "timeout_seconds": execution.timeout_seconds,
                "memory_limit_mb": execution.memory_limit_mb,
                "cpu_limit_seconds": execution.cpu_limit_seconds,
                "parameters": execution.parameters,
                "result": execution.result,
                "traceback": execution.traceback,
                "exit_code": execution.exit_code,
                "cpu_seconds": None if execution.cpu_ms is None else execution.cpu_ms / 1000,
                "peak_memory_bytes": execution.peak_memory_bytes,
                "attempts": [attempt_row(each) for each in earlier],
            }
            parts = [_in_words(each) for each in earlier]
            parts += [words, _use_in_words(execution), execution.message, execution.traceback]
            if execution.result is not None:
                parts.append(self.show({"result": execution.result}, "", {"json": True}))
            words = "\n".join(part.rstrip() for part in parts if part)
        return self.show(row, words, options)


def _execution(id: int) -> Execution:
    """Raises CommandError when there is none."""
    execution = Execution.objects.filter(pk=id).first()
    if execution is None:
        raise CommandError(_("There is no execution #%(id)d.") % {"id": id})
    return execution


def _in_words(attempt: Attempt) -> str:
    """An earlier attempt: from when until when, how it ended, and why."""
    times = [
        at.isoformat(timespec="seconds") if at else "-" for at in (attempt.started_at, attempt.finished_at)
    ]
    names = {"number": attempt.attempt, "start": times[0], "end": times[1], "state": attempt.state}
    words = _("attempt %(number)d, %(start)s to %(end)s: %(state)s") % names
    return f"{words} {attempt.message or attempt.detail}".rstrip()


def _use_in_words(execution: Execution) -> str:
    """What its own processes have used; empty when it had none."""
    if execution.cpu_ms is None:
        return ""
    words = _("%.2f s of processor time") % (execution.cpu_ms / 1000)
    if execution.peak_memory_bytes is not None:
        words += _(", %d MiB of memory at the most") % (execution.peak_memory_bytes >> 20)
    return words
