"""Commands of the form ``manage.py NOUN VERB THING…``: one verb done to one thing after the other.

Exit code 0: all done. 1: at least one was refused, said on standard error; the others were done. 2: the arguments
are wrong, and nothing was done.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import ProtectedError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.exceptions import FieldErrors, Refused
from scheduling.management.json_rows import line
from scheduling.services.actor import Actor

#: What a service says no with.
REFUSALS = (Refused, ValidationError, ProtectedError, FieldErrors, CommandError)


def sentence(error: Exception) -> str:
    """What a service has to say, with the fields' names where it is about fields."""
    if isinstance(error, ValidationError):
        if hasattr(error, "error_dict"):
            return "; ".join(
                f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts
            )
        return " ".join(error.messages)
    return str(error.args[0]) if isinstance(error, ProtectedError) else str(error)


class VerbCommand(BaseCommand):
    """A noun. Each verb is a method ``verb_NAME`` that gets the options; ``verbs`` says what it does."""

    #: Verb → what it does, for the help.
    verbs: ClassVar[dict[str, Any]] = {}

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        choices = parser.add_subparsers(dest="verb", required=True, metavar=_("VERB"))
        for verb, does in self.verbs.items():
            options = choices.add_parser(verb, help=str(does), description=str(does))
            options.add_argument("--json", action="store_true", help=_("One JSON object a line."))
            options.add_argument("--reason", default="", help=_("Why; kept with the change."))
            self.add_verb_arguments(verb, options)

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        """The arguments of one verb."""

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        getattr(self, f"verb_{verb}")(options)

    def actor(self, options: dict[str, Any]) -> Actor:
        return Actor(source="command", reason=options["reason"])

    def each(self, things: Iterable[str], work: Callable[[str], str | None]) -> None:
        """Does the work for each; prints what it returns. Raises CommandError at the end when one was refused."""
        names = list(dict.fromkeys(things))
        refused = 0
        for name in names:
            try:
                said = work(name)
            except REFUSALS as error:
                refused += 1
                self.stderr.write(f"{name}: {sentence(error)}")
            else:
                if said is not None:
                    self.stdout.write(said)
        if refused:
            text = ngettext("%(refused)d of %(all)d refused.", "%(refused)d of %(all)d refused.", refused)
            raise CommandError(text % {"refused": refused, "all": len(names)})

    def show(self, row: dict[str, Any], words: str, options: dict[str, Any]) -> str:
        """The row as JSON, or the words."""
        return line(row) if options["json"] else words
