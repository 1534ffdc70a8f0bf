"""System checks: what must hold of the registered functions and the executors before anything starts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from scheduling import executors, job_stores, registry
from scheduling.exceptions import UnknownExecutor, UnknownJobStore, UnknownTrigger
from scheduling.services import templates
from scheduling.triggers import kinds
from scheduling.words import did_you_mean


@register("scheduling")
def functions_are_sound(**_: Any) -> list[CheckMessage]:
    registry.autodiscover()
    return [Error(problem.message, hint=problem.hint, id=problem.id) for problem in registry.problems()]


@register("scheduling")
def executors_can_be_imported(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name in executors.paths():
        try:
            executors.executor_class(name)
        except UnknownExecutor as error:
            hint = 'SCHEDULER["executors"] maps a name to the dotted path of a scheduling.executors.Executor.'
            found.append(Error(str(error), hint=hint, id="scheduling.E010"))
    return found


@register("scheduling")
def triggers_can_be_imported(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name, path in kinds.paths().items():
        try:
            kinds.added_kind(name, path)
        except UnknownTrigger as error:
            hint = 'SCHEDULER["triggers"] maps a name to the dotted path of a scheduling.triggers.Trigger.'
            found.append(Error(str(error), hint=hint, id="scheduling.E011"))
    return found


@register("scheduling")
def hosts_can_be_told(**_: Any) -> list[CheckMessage]:
    path = settings.SCHEDULER.get("hosts", "")
    try:
        if path:
            import_string(path)
    except ImportError as error:
        hint = (
            'SCHEDULER["hosts"] is the dotted path of who knows which database hosts a run visits, or empty.'
        )
        return [Error(str(error), hint=hint, id="scheduling.E015")]
    return []


@register("scheduling")
def job_stores_can_be_made(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name in job_stores.named():
        try:
            job_stores.build(name)
        except UnknownJobStore as error:
            hint = 'SCHEDULER["job_stores"] maps a name to {"kind": …, and the options of that kind} (docs/engine.md).'
            found.append(Error(str(error), hint=hint, id="scheduling.E012"))
    return found


@register("scheduling")
def job_defaults_are_known(**_: Any) -> list[CheckMessage]:
    defaults = settings.SCHEDULER.get("job_defaults", {})
    unknown = sorted(set(defaults) - set(job_stores.DEFAULTS))
    return [
        Error(
            f'SCHEDULER["job_defaults"]: {name!r} is not known.{did_you_mean(name, job_stores.DEFAULTS)}',
            id="scheduling.E014",
        )
        for name in unknown
    ]


@register("scheduling")
def templates_can_be_read(**_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for path in templates.files():
        try:
            read = templates.read(path)
        except templates.TemplatesUnreadable as error:
            found.append(
                Error(str(error), hint="docs/instances.md tells how it is written.", id="scheduling.E013")
            )
            continue
        found += [
            Error(f"{path}: {template.key}: there is no function {template.function}.", id="scheduling.E013")
            for template in read
            if template.function not in registry.functions()
        ]
    return found
