"""Looks for mistakes in settings and instances before the night does. Connects to nothing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from instances.exceptions import ConfigurationInvalid
from instances.models import Instance
from instances.services import visits
from scheduling.models import Task

#: Sentences that an error repeats.
MOST_SENTENCES = 50

#: A quarter and the one before it.
LEAST_MONTHS = 6


def passed(faults: Iterator[str]) -> dict[str, Any]:
    """The result of a check without faults. Raises ``ConfigurationInvalid`` with a sentence for each fault."""
    sentences = list(faults)
    if sentences:
        more = (
            [_("… and %d more.") % (len(sentences) - MOST_SENTENCES)]
            if len(sentences) > MOST_SENTENCES
            else []
        )
        raise ConfigurationInvalid("\n".join([*sentences[:MOST_SENTENCES], *more]))
    return {"status": "valid", "faults": []}


def collection() -> Iterator[str]:
    """A sentence for each fault in what collections need."""
    yield from _zone()
    found = False
    for instance in Instance.objects.collectable().iterator(chunk_size=500):
        found = True
        for sentence in _instance(instance):
            yield f"{instance.name}: {sentence}"
    if not found:
        yield _("There is no active instance.")
    yield from _task("collect_database_sizes")
    yield from _task("sync_accounts")


def aggregation() -> Iterator[str]:
    """A sentence for each fault in what the sizes by period need."""
    yield from _zone()
    months = settings.JOBSITE_KEEP_SIZES_MONTHS
    if months < LEAST_MONTHS:
        yield _(
            "JOBSITE_KEEP_SIZES_MONTHS is %(months)d: a quarter and the one before it need %(least)d."
        ) % {
            "months": months,
            "least": LEAST_MONTHS,
        }
    yield from _task("collect_database_sizes")
    yield from _task("calculate_database_size_aggregations")


def _zone() -> Iterator[str]:
    try:
        ZoneInfo(settings.JOBSITE_TASK_TIME_ZONE)
    except (ValueError, LookupError, OSError):
        yield _("JOBSITE_TASK_TIME_ZONE: there is no time zone %r.") % settings.JOBSITE_TASK_TIME_ZONE


def _instance(instance: Instance) -> Iterator[str]:
    try:
        kind = instance.kind
        target = instance.target()
    except visits.FAILURES as error:
        yield str(error)
        return
    if kind.needs_credential and instance.credential is None:
        yield _("it has no credential.")
    for name, sentences in kind.target_errors(target).items():
        yield from (f"{name}: {sentence}" for sentence in sentences)
    if kind.driver and importlib.util.find_spec(kind.driver) is None:
        yield _("the Python package of its driver (%s) is not installed.") % kind.driver


def _task(function: str) -> Iterator[str]:
    """Whether some task that is on calls the function."""
    tasks = Task.objects.present().filter(function=function)
    if not tasks.exists():
        yield _("No task calls %s.") % function
    elif not tasks.filter(enabled=True).exists():
        yield _("Every task that calls %s is disabled.") % function
