"""Templates of tasks: what many tasks share is written once, and a few variables are filled in.

An app ships them in its ``task_templates.yaml``; ``JOBSITE_TASK_TEMPLATES`` names further files. A variable stands for
a whole value (``{$variable: keep}``), or for a part of a name or a description (``${instance}``). What a person gives
for it is one value of a known type: it is never read as code, as a command, as YAML, or as a template again.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from django.apps import apps
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic import ValidationError as NotOfType

from scheduling import clock
from scheduling.exceptions import SchedulingError, UnknownTemplate
from scheduling.models import Task
from scheduling.services import tasks
from scheduling.services.actor import Actor
from scheduling.services.definitions.fields import FIELDS, References, build, normalise
from scheduling.services.definitions.reading import Entry, Problem
from scheduling.words import did_you_mean

FILE = "task_templates.yaml"
VARIABLE = "$variable"
#: Fields whose text may have variables in it.
TEXTS = ("name", "description")

TYPES: dict[str, TypeAdapter[Any]] = {
    "text": TypeAdapter(str),
    "integer": TypeAdapter(int),
    "number": TypeAdapter(float),
    "boolean": TypeAdapter(bool),
    "list": TypeAdapter(list[str]),
}
NEEDED = {
    "text": gettext_lazy("A text is needed."),
    "integer": gettext_lazy("A whole number is needed."),
    "number": gettext_lazy("A number is needed."),
    "boolean": gettext_lazy("true or false is needed."),
    "list": gettext_lazy("A list of texts is needed."),
}
MOST_CHARACTERS = 10_000


class Variable(BaseModel):
    """What a person fills in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")
    label: str
    type: Literal["text", "integer", "number", "boolean", "list"] = "text"
    help: str = ""
    #: Without it, and with no default, its place in the task is left out.
    required: bool = True
    default: Any = None
    choices: tuple[str, ...] = ()

    def read(self, given: Any) -> Any:
        """The value, from JSON or from text as a form has it (a list has one item a line); None: none was given.

        Raises ValueError with a sentence.
        """
        if self.type == "list" and isinstance(given, str):
            given = [line.strip() for line in given.splitlines() if line.strip()]
        if given is None or given in ("", []):
            if self.default is None and self.required:
                raise ValueError(_("This is needed."))
            return self.default
        try:
            value = TYPES[self.type].validate_python(given, strict=not isinstance(given, str))
        except NotOfType:
            raise ValueError(str(NEEDED[self.type])) from None
        if len(str(value)) > MOST_CHARACTERS:
            raise ValueError(_("At most %d characters.") % MOST_CHARACTERS)
        if self.choices and value not in self.choices:
            raise ValueError(_("%r is not allowed.") % value + did_you_mean(str(value), self.choices))
        return value


class Template(BaseModel):
    """A task with variables in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")
    name: str
    description: str = ""
    category: str = "other"
    variables: tuple[Variable, ...]
    #: The fields of a task, as ``load_tasks`` reads them.
    task: dict[str, Any]

    @property
    def function(self) -> str:
        return str(self.task["function"])


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    templates: list[Template]


class TemplatesUnreadable(SchedulingError):
    """A file of templates cannot be understood."""


def all_templates() -> dict[str, Template]:
    """By key. Raises ``TemplatesUnreadable``; a system check has said so before."""
    return {template.key: template for path in files() for template in read(path)}


def get(key: str) -> Template:
    """Raises ``UnknownTemplate``."""
    found = all_templates()
    if key not in found:
        raise UnknownTemplate(_("There is no template %r.") % key + did_you_mean(key, found))
    return found[key]


def files() -> list[Path]:
    """One for each installed app that has such a file, then the installation's own, which win."""
    shipped = [Path(config.path) / FILE for config in apps.get_app_configs()]
    return [*(path for path in shipped if path.is_file()), *settings.JOBSITE_TASK_TEMPLATES]


def read(path: Path) -> list[Template]:
    """Raises ``TemplatesUnreadable``, which names the file and what is wrong in it."""
    try:
        found = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, NotOfType) as error:
        raise TemplatesUnreadable(f"{path}: {error}") from error
    faults = [f"{template.key}: {fault}" for template in found.templates for fault in _faults(template)]
    counts = Counter(template.key for template in found.templates)
    faults += [f"{key} stands {number} times" for key, number in counts.items() if number > 1]
    if faults:
        raise TemplatesUnreadable(f"{path}: {'; '.join(faults)}")
    return found.templates


def _faults(template: Template) -> Iterator[str]:
    names = [variable.name for variable in template.variables]
    used = {name for _where, name in _used(template.task)}
    for name in ("function", "trigger", "trigger_params"):
        if name not in template.task:
            yield f"the task has no {name}"
    for name in template.task.keys() - (set(FIELDS) - {"key", "built_in"}):
        yield f"{name} is no field of a task that a template may set"
    if len(names) != len(set(names)):
        yield "two variables have one name"
    for name in used - set(names):
        yield f"{name} is used and is no variable"
    for name in set(names) - used:
        yield f"the variable {name} is not used"
    for name in set(names) & {*FIELDS, NON_FIELD_ERRORS}:
        yield f"{name} is a field of tasks: give the variable another name"
    for variable in template.variables:
        if variable.default is not None:
            try:
                variable.read(variable.default)
            except ValueError as error:
                yield f"the default of {variable.name}: {error}"


def _used(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """The field and the name of each variable."""
    if isinstance(value, dict):
        if set(value) == {VARIABLE}:
            yield where, str(value[VARIABLE])
            return
        for name, part in value.items():
            yield from _used(part, where or str(name))
    elif isinstance(value, list):
        for part in value:
            yield from _used(part, where)
    elif isinstance(value, str) and where in TEXTS:
        for name in string.Template(value).get_identifiers():
            yield where, name


def filled(
    template: Template, variables: Mapping[str, Any], overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The fields of a task, with the variables in their places and ``overrides`` instead of whole fields.

    Raises ValidationError keyed by variable: one that is missing, unknown, or of another type.
    """
    known = {variable.name: variable for variable in template.variables}
    faults = {
        name: [_("This is not known.") + did_you_mean(name, known)] for name in variables if name not in known
    }
    values: dict[str, Any] = {}
    for name, variable in known.items():
        try:
            values[name] = variable.read(variables.get(name))
        except ValueError as error:
            faults[name] = [str(error)]
    if faults:
        raise ValidationError(faults)
    fields = _fill(template.task, values)
    for name in TEXTS:
        if name in fields:
            shown = {key: _shown(value) for key, value in values.items()}
            fields[name] = string.Template(fields[name]).substitute(shown)
    return {"category": template.category, **fields, **(overrides or {})}


def _fill(value: Any, values: Mapping[str, Any]) -> Any:
    """A copy with values for variables; what none was given for is left out of mappings."""
    if isinstance(value, dict):
        if set(value) == {VARIABLE}:
            return values[value[VARIABLE]]
        parts = {name: _fill(part, values) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not None}
    return [_fill(part, values) for part in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(value) if isinstance(value, list) else str(value)


def create_task(
    template: Template, key: str, *, variables: Mapping[str, Any], actor: Actor,
    overrides: Mapping[str, Any] | None = None,
) -> Task:  # fmt: skip
    """Stores a task made of the template: from then on it is a task like every other.

    Raises ValidationError keyed by variable or by field of the task.
    """
    values = {**filled(template, variables, overrides), "key": key}
    entry = Entry(0, values, dict.fromkeys(values, 0))
    problems: list[Problem] = []
    if "built_in" in values:
        problems.append(entry.problem("built_in", _("This is not known.")))
    task = None
    if not problems and normalise(entry, problems):
        task = build(entry, References.read([entry]), clock.refresh(), problems)
    if problems or task is None:
        faults: dict[str, list[str]] = {}
        for problem in problems:
            faults.setdefault(problem.field or NON_FIELD_ERRORS, []).append(problem.message)
        raise ValidationError(faults)
    return tasks.create(task, actor=actor)
