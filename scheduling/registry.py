"""Which functions may be scheduled: ``@task`` in any installed app's tasks.py. Only these ever run, by name.

A mistake in a declaration never raises where it stands: it is kept, and stops the start as a system check
that names the function, the module and the line.
"""

from __future__ import annotations

import importlib
import inspect
import keyword
import logging
import math
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import module_has_submodule

from scheduling import docstrings, executors
from scheduling.exceptions import ParametersInvalid, UnknownExecutor, UnknownFunction
from scheduling.parameters import DefaultsUnusable, Parameters, SignatureUnusable
from scheduling.sentences import of_runs
from scheduling.words import did_you_mean

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])
#: Called with the parameters by name; what is wrong with them together: a parameter and a sentence each.
Check = Callable[..., "Iterable[tuple[str, StrOrPromise]]"]

NAME_CHARACTERS = 200
LABEL_CHARACTERS = 200
WORD_CHARACTERS = 50  # of a category and a queue


class Problem(NamedTuple):
    """What is wrong with a declaration, as a system check says it."""

    id: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a task of this function gets when nobody says otherwise."""

    timeout_seconds: float | None = None  # None: no limit
    executor: str = "thread"
    queue: str = "default"
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RegisteredFunction:
    """A function that tasks may name."""

    name: str
    label: StrOrPromise  # for people
    description: StrOrPromise
    category: str
    defaults: Defaults
    parameters: Parameters
    call: Callable[..., Any]
    module: str
    line: int
    setting: str = ""  # the setting that must be true for it to be used; empty: none
    permission: str = ""  # what a person needs to make, change or parametrise tasks of it; empty: nothing
    check: Check | None = None

    @property
    def is_on(self) -> bool:
        """Whether this installation allows its use."""
        return not self.setting or bool(getattr(settings, self.setting, False))

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its parameters (draft 2020-12)."""
        return self.parameters.schema

    @property
    def is_coroutine(self) -> bool:
        return inspect.iscoroutinefunction(self.call)

    def validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The typed keyword arguments; raises ParametersInvalid, keyed by parameter."""
        typed = self.parameters.validate(values)
        if self.check is not None:
            faults: dict[str, list[str]] = {}
            for name, fault in self.check(**typed):
                faults.setdefault(name, []).append(str(fault))
            if faults:
                raise ParametersInvalid(faults)
        return typed


@dataclass(frozen=True, slots=True)
class _Declaration:
    """A ``@task`` as it was written, not yet looked at."""

    name: Any
    label: Any
    description: Any
    category: Any
    defaults: Defaults
    call: Any
    module: str
    line: int
    setting: str
    permission: str
    check: Any

    def __str__(self) -> str:
        return f"{self.name!r} ({self.module}, line {self.line})"


class Registry:
    """Functions by name, looked at when first asked for, so that annotations may name later classes."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pending: list[_Declaration] = []
        self._functions: dict[str, RegisteredFunction] = {}
        self._problems: list[Problem] = []
        self._discovered = False

    def declare(self, declaration: _Declaration) -> None:
        with self._lock:
            self._pending.append(declaration)

    def get(self, name: str) -> RegisteredFunction:
        if self._pending:
            self._look()
        try:
            return self._functions[name]
        except KeyError:
            values = {"function": repr(name), "hint": did_you_mean(name, self._functions).strip()}
            raise UnknownFunction(of_runs.FUNCTION_MISSING.in_words(values)) from None

    def functions(self) -> Mapping[str, RegisteredFunction]:
        self._look()
        return MappingProxyType(self._functions)

    def problems(self) -> list[Problem]:
        self._look()
        return [
            *self._problems,
            *(problem for each in self._functions.values() for problem in _executor_problems(each)),
        ]

    def autodiscover(self) -> None:
        """Imports every installed app's tasks.py, once; one that cannot be imported is a problem."""
        with self._lock:
            if self._discovered:
                return
            self._discovered = True
            for config in apps.get_app_configs():
                if config.module is not None and module_has_submodule(config.module, "tasks"):
                    self.import_tasks(f"{config.name}.tasks")

    def import_tasks(self, module: str) -> None:
        try:
            importlib.import_module(module)
        except Exception as error:
            # Any error at all, for it is foreign code: a broken app stops the start by name, together with
            # every other problem, instead of as a bare traceback.
            logger.debug("Cannot import %s", module, exc_info=True)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{frame.filename}, line {frame.lineno}"
            said = f"{type(error).__name__}: {error}"
            self._problems.append(
                Problem(
                    "scheduling.E009",
                    f"The tasks of {module} cannot be imported: {said} ({place}).",
                    "Mend the module, or take its app out of INSTALLED_APPS.",
                )
            )

    def _look(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, []
            for declaration in pending:
                self._admit(declaration)

    def _admit(self, declaration: _Declaration) -> None:
        problems = list(_problems(declaration))
        other = self._functions.get(declaration.name) if isinstance(declaration.name, str) else None
        if other is not None and (other.module, other.line) != (declaration.module, declaration.line):
            problems.append(_duplicate(declaration, other))
        if not problems:
            try:
                self._functions[declaration.name] = _registered(declaration)
            except DefaultsUnusable as error:
                problems += [_default_fault(declaration, fault) for fault in error.faults]
            except SignatureUnusable as error:
                problems += [_signature_fault(declaration, fault) for fault in error.faults]
        self._problems += problems


_registry = Registry()


@contextmanager
def use(registry: Registry) -> Iterator[Registry]:
    """This registry instead of the process's own within the block (tests)."""
    global _registry
    before, _registry = _registry, registry
    try:
        yield registry
    finally:
        _registry = before


def task(
    label: StrOrPromise,
    *,
    category: str = "other",
    description: StrOrPromise | None = None,
    function: str | None = None,
    timeout_seconds: float | None = None,
    executor: str = "thread",
    queue: str = "default",
    retries: int = 0,
    setting: str = "",
    permission: str = "",
    check: Check | None = None,
) -> Callable[[F], F]:
    """Registers the function below it, so that tasks may name it. The function itself stays as it is.

    ``label`` is its name for people; ``description`` is by default the first paragraph of its docstring, and
    ``function``, the name by which tasks find it, that of the function. Without the ``setting`` it is off; whoever
    makes or changes tasks of it needs the ``permission``. ``check`` is called with the typed parameters and yields what
    the annotations cannot say, as (parameter, sentence). The rest are defaults for its tasks.
    """
    defaults = Defaults(timeout_seconds, executor, queue, retries)

    def register(call: F) -> F:
        module, line = _place(call)
        name = getattr(call, "__name__", None) if function is None else function
        said = docstrings.read(call).summary if description is None and callable(call) else description
        _registry.declare(
            _Declaration(
                name, label, said, category, defaults, call, module, line, setting, permission, check
            )
        )
        return call

    if callable(label):  # written as @task, without parentheses: label is the function
        call, label = label, ""
        return register(call)
    return register


def get(name: str) -> RegisteredFunction:
    """Raises UnknownFunction, naming the nearest."""
    return _registry.get(name)


def functions() -> Mapping[str, RegisteredFunction]:
    """All registered functions by name."""
    return _registry.functions()


def problems() -> list[Problem]:
    """What is wrong with the declarations, for the system checks."""
    return _registry.problems()


def autodiscover() -> None:
    """Imports the tasks.py of every installed app, once."""
    _registry.autodiscover()


# --- What may be wrong ---------------------------------------------------------------------------------


def _place(call: Any) -> tuple[str, int]:
    """Module and line of whatever ``@task`` stands above."""
    code = getattr(inspect.unwrap(call) if callable(call) else call, "__code__", None)
    return getattr(call, "__module__", None) or "?", code.co_firstlineno if code else 0


def _registered(declaration: _Declaration) -> RegisteredFunction:
    return RegisteredFunction(
        name=declaration.name,
        label=declaration.label,
        description=declaration.description,
        category=declaration.category,
        defaults=declaration.defaults,
        parameters=Parameters(declaration.call),
        call=declaration.call,
        module=declaration.module,
        line=declaration.line,
        setting=declaration.setting,
        permission=declaration.permission,
        check=declaration.check,
    )


def _problems(declaration: _Declaration) -> Iterator[Problem]:
    yield from _call_problems(declaration)
    yield from _name_problems(declaration)
    yield from _default_problems(declaration)


def _call_problems(declaration: _Declaration) -> Iterator[Problem]:
    call = declaration.call
    if not callable(call):
        fault = f"is a {type(call).__name__}, which cannot be called"
    elif inspect.isclass(call):
        fault = "is a class; calling it would only make an object"
    elif inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        fault = "is a generator; calling it would run nothing"
    else:
        return
    yield Problem(
        "scheduling.E002", f"Task function {declaration} {fault}.", "Put @task above a plain function."
    )


def _name_problems(declaration: _Declaration) -> Iterator[Problem]:
    name, label = declaration.name, declaration.label
    if (
        not isinstance(name, str)
        or not name.isidentifier()
        or keyword.iskeyword(name)
        or len(name) > NAME_CHARACTERS
    ):
        yield Problem(
            "scheduling.E003",
            f"Task function {declaration} needs as name an identifier of 1 to {NAME_CHARACTERS} letters.",
            'Give it one: @task("Label", function="a_name").',
        )
    if not 0 < len(str(label).strip()) <= LABEL_CHARACTERS:
        yield Problem(
            "scheduling.E003",
            f"Task function {declaration} needs a label of 1 to {LABEL_CHARACTERS} characters.",
            'Write @task("Collect database sizes").',
        )


def _default_problems(declaration: _Declaration) -> Iterator[Problem]:
    defaults = declaration.defaults
    for option, fault in (
        ("timeout_seconds", _seconds_fault(defaults.timeout_seconds)),
        ("retries", _retries_fault(defaults.retries)),
        ("queue", _word_fault(defaults.queue)),
        ("category", _word_fault(declaration.category)),
        ("check", "" if declaration.check is None or callable(declaration.check) else "None or a function"),
    ):
        if fault:
            value = getattr(declaration if option in ("category", "check") else defaults, option)
            yield Problem(
                "scheduling.E004",
                f"Task function {declaration} has {option}={value!r}.",
                f"{option} must be {fault}.",
            )


def _seconds_fault(value: Any) -> str:
    good = value is None or (_is_number(value) and 0 < value < math.inf)
    return "" if good else "None (no limit) or a number of seconds above 0"


def _retries_fault(value: Any) -> str:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000
    return "" if good else "a whole number from 0 to 1000"


def _word_fault(value: Any) -> str:
    good = isinstance(value, str) and value == value.strip() and 0 < len(value) <= WORD_CHARACTERS
    return "" if good else f"text of 1 to {WORD_CHARACTERS} characters"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _duplicate(declaration: _Declaration, other: RegisteredFunction) -> Problem:
    return Problem(
        "scheduling.E001",
        f"Task function {declaration} has the name of one in {other.module}, line {other.line}.",
        'Give one of them another name: @task("Label", function="another_name").',
    )


def _signature_fault(declaration: _Declaration, fault: str) -> Problem:
    return Problem(
        "scheduling.E006",
        f"Task function {declaration}: {fault}.",
        "Parameters come from JSON by name: annotate each with int, float, str, bool, date, datetime, "
        "an enum, Literal, list, dict or another type that pydantic can describe in JSON.",
    )


def _default_fault(declaration: _Declaration, fault: str) -> Problem:
    return Problem(
        "scheduling.E007",
        f"Task function {declaration}: {fault}.",
        "Change the default, or widen the annotation.",
    )


def runs_programs(function: RegisteredFunction) -> bool:
    """Whether the function runs a program of its own: it was registered for the executor that waits for one."""
    try:
        return executors.executor_class(function.defaults.executor).runs_programs
    except UnknownExecutor:
        return False


def _executor_problems(function: RegisteredFunction) -> Iterator[Problem]:
    """Looked at last, when settings and apps are ready to be asked."""
    place = f"Task function {function.name!r} ({function.module}, line {function.line})"
    try:
        executor = executors.executor_class(function.defaults.executor)
    except UnknownExecutor as error:
        yield Problem("scheduling.E005", f"{place} has executor={function.defaults.executor!r}.", str(error))
        return
    if function.is_coroutine and not executor.runs_coroutines:
        yield Problem(
            "scheduling.E008",
            f"{place} is a coroutine function, which the executor {function.defaults.executor!r} cannot run.",
            "Make it a plain function, or name an executor that runs coroutines.",
        )
