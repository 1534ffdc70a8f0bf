"""What @task accepts, what it refuses, and how a refusal reads."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.utils.translation import gettext_lazy

from scheduling import checks, registry
from scheduling.exceptions import ParametersInvalid, UnknownFunction
from scheduling.registry import Registry, task


@pytest.fixture
def fresh() -> Iterator[Registry]:
    with registry.use(Registry()) as it:
        yield it


def test_a_decorated_function_stays_as_it_is_and_is_found_by_name(fresh: Registry) -> None:
    @task(gettext_lazy("Collect sizes"), category="sync", timeout_seconds=30, queue="big", retries=2)
    def collect(limit: int = 5) -> int:
        """Collects them.

        More words.
        """
        return limit

    found = registry.get("collect")
    assert collect(3) == 3
    assert found.call is collect
    assert (found.name, str(found.label), found.description) == ("collect", "Collect sizes", "Collects them.")
    assert (found.category, found.defaults.timeout_seconds, found.defaults.executor) == ("sync", 30, "thread")
    assert (found.defaults.queue, found.defaults.retries) == ("big", 2)
    assert found.validate({"limit": 7}) == {"limit": 7}
    assert found.module == __name__
    assert list(registry.functions()) == ["collect"]
    assert registry.problems() == []


def test_a_check_says_what_annotations_cannot(fresh: Registry) -> None:
    def ordered(first: int, last: int) -> Iterator[tuple[str, str]]:
        if last < first:
            yield "last", f"It comes before {first}."

    @task("X", check=ordered)
    def between(first: int, last: int = 10) -> None: ...

    found = registry.get("between")
    assert found.validate({"first": 3}) == {"first": 3, "last": 10}
    with pytest.raises(ParametersInvalid) as refused:
        found.validate({"first": 11})
    assert refused.value.errors == {"last": ["It comes before 11."]}
    with pytest.raises(ParametersInvalid) as refused:  # it is asked about typed values only
        found.validate({"first": "11"})
    assert list(refused.value.errors) == ["first"]


def test_name_and_description_may_be_given(fresh: Registry) -> None:
    @task("X", function="other_name", description="Said here.")
    def something() -> None:
        """Said there."""

    assert registry.get("other_name").description == "Said here."


def test_an_unknown_function_is_refused_with_the_nearest_name(fresh: Registry) -> None:
    with pytest.raises(UnknownFunction, match="There are none"):
        registry.get("collect")

    @task("X")
    def collect_sizes() -> None: ...

    with pytest.raises(UnknownFunction, match=r"'collect_size'.*Did you mean 'collect_sizes'\?"):
        registry.get("collect_size")
    with pytest.raises(UnknownFunction, match="Allowed: collect_sizes"):
        registry.get("zzz")


def test_annotations_may_name_what_is_defined_later(fresh: Registry) -> None:
    module = types.ModuleType("later")
    exec(
        "from __future__ import annotations\n"
        "import enum\n"
        "from scheduling.registry import task\n"
        "@task('Paint')\n"
        "def paint(colour: Colour) -> Missing: ...\n"
        "class Colour(enum.Enum):\n    RED = 'red'\n",
        vars(module),
    )
    assert registry.get("paint").validate({"colour": "red"}) == {"colour": module.Colour.RED}


def test_the_same_name_twice_is_a_problem_naming_both_places(fresh: Registry) -> None:
    @task("One", function="twin")
    def one() -> None: ...

    @task("Two", function="twin")
    def two() -> None: ...

    assert registry.get("twin").call is one
    (problem,) = registry.problems()
    first = one.__code__.co_firstlineno
    assert problem.id == "scheduling.E001"
    assert f"line {first}." in problem.message
    assert f"line {two.__code__.co_firstlineno})" in problem.message
    assert problem.message.count(__name__) == 2


def test_a_module_read_again_is_no_duplicate(fresh: Registry) -> None:
    source = compile(
        "from scheduling.registry import task\n@task('A')\ndef a() -> None: ...\n", "again.py", "exec"
    )
    module = types.ModuleType("again")
    exec(source, vars(module))
    exec(source, vars(module))
    assert registry.problems() == []
    assert registry.get("a").call is module.a


# --- Refusals ------------------------------------------------------------------------------------------


def plain() -> None: ...


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> None: ...


def starred(*values: int) -> None: ...


def double_starred(**values: int) -> None: ...


def positional(value: int, /) -> None: ...


def bare(value) -> None: ...  # type: ignore[no-untyped-def]


def unresolved(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def foreign(value: types.ModuleType) -> None: ...


def callback(value: Callable[[], int]) -> None: ...


def wrong_default(value: int = "5") -> None: ...  # type: ignore[assignment]


def none_default(value: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013


REFUSED: list[tuple[str, Any, dict[str, Any], str]] = [
    # id, what @task stands above, its options, what the message must say
    ("E002", 5, {"function": "five"}, "is a int, which cannot be called"),
    ("E002", property(lambda self: None), {"function": "prop"}, "is a property, which cannot be called"),
    ("E002", dict, {}, "is a class"),
    ("E002", generator, {}, "is a generator"),
    ("E003", plain, {"function": "not a name"}, "'not a name'"),
    ("E003", plain, {"function": "class"}, "'class'"),
    ("E003", plain, {"function": ""}, "identifier"),
    ("E003", plain, {"function": "x" * 201}, "identifier"),
    ("E003", plain, {"function": 5}, "identifier"),
    ("E003", lambda: None, {}, "'<lambda>'"),
    ("E003", partial(plain), {}, "None"),
    ("E003", plain, {"label": " "}, "label"),
    ("E003", plain, {"label": "x" * 201}, "label"),
    ("E004", plain, {"timeout_seconds": -1}, "timeout_seconds=-1"),
    ("E004", plain, {"timeout_seconds": 0}, "timeout_seconds=0"),
    ("E004", plain, {"check": "ordered"}, "check='ordered'"),
    ("E004", plain, {"timeout_seconds": float("nan")}, "timeout_seconds=nan"),
    ("E004", plain, {"timeout_seconds": float("inf")}, "timeout_seconds=inf"),
    ("E004", plain, {"timeout_seconds": "30"}, "timeout_seconds='30'"),
    ("E004", plain, {"timeout_seconds": True}, "timeout_seconds=True"),
    ("E004", plain, {"retries": -1}, "retries=-1"),
    ("E004", plain, {"retries": 1.5}, "retries=1.5"),
    ("E004", plain, {"retries": True}, "retries=True"),
    ("E004", plain, {"queue": ""}, "queue=''"),
    ("E004", plain, {"queue": " big"}, "queue=' big'"),
    ("E004", plain, {"queue": "x" * 51}, "queue="),
    ("E004", plain, {"category": None}, "category=None"),
    ("E005", plain, {"executor": "threads"}, "executor='threads'"),
    ("E006", starred, {}, "'*values'"),
    ("E006", double_starred, {}, "'**values'"),
    ("E006", positional, {}, "'value' (positional-only)"),
    ("E006", bare, {}, "'value' has no annotation"),
    ("E006", unresolved, {}, "'Nowhere' is not defined"),
    ("E006", foreign, {}, "unsupported annotation"),
    ("E006", callback, {}, "unsupported annotation"),
    ("E007", wrong_default, {}, "the default '5' of parameter 'value' does not fit"),
    ("E007", none_default, {}, "the default None of parameter 'value' does not fit"),
    ("E008", coroutine, {}, "is a coroutine function, which the executor 'thread' cannot run"),
]


@pytest.mark.parametrize(("identifier", "call", "options", "words"), REFUSED)
def test_a_bad_declaration_is_one_named_problem(
    fresh: Registry, identifier: str, call: Any, options: dict[str, Any], words: str
) -> None:
    options = dict(options)
    assert task(options.pop("label", "Label"), **options)(call) is call
    (problem,) = registry.problems()
    assert problem.id == f"scheduling.{identifier}"
    assert words in problem.message
    assert problem.hint
    if isinstance(call, types.FunctionType):
        assert f"({__name__}, line {call.__code__.co_firstlineno})" in problem.message


def test_task_without_parentheses_says_so_and_leaves_the_function_alone(fresh: Registry) -> None:
    def something() -> int:
        return 5

    undecorated: Any = task
    assert undecorated(something)() == 5
    (problem,) = registry.problems()
    assert "label" in problem.message
    assert "something" in problem.message


def test_an_unknown_executor_names_what_there_is(fresh: Registry) -> None:
    task("X", executor="thraed")(plain)
    assert "Did you mean 'thread'?" in registry.problems()[0].hint


# --- Discovery and checks ------------------------------------------------------------------------------

BROKEN = {
    "missing_import": (
        "import no_such_module_at_all\n",
        "ModuleNotFoundError: No module named 'no_such_module_at_all'",
    ),
    "missing_name": ("from os import no_such_name\n", "ImportError: cannot import name 'no_such_name'"),
    "syntax": ("def broken(:\n", "SyntaxError: invalid syntax"),
    "raises": ("\n\n1 / 0\n", "tasks.py, line 3"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_tasks_module_that_cannot_be_imported_is_a_named_problem(
    fresh: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, words = BROKEN[kind]
    package = tmp_path / f"broken_{kind}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    fresh.import_tasks(f"broken_{kind}.tasks")
    (problem,) = registry.problems()
    assert problem.id == "scheduling.E009"
    assert f"broken_{kind}.tasks" in problem.message
    assert words in problem.message


def test_autodiscover_finds_every_apps_tasks_and_does_it_once(
    fresh: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    for name, source in (
        ("app_with_tasks", "from scheduling.registry import task\n@task('Hi')\ndef hi() -> None: ...\n"),
        ("app_without_tasks", None),
        ("app_broken", "import no_such_module_at_all\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        if source is not None:
            (tmp_path / name / "tasks.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    settings.INSTALLED_APPS = ["app_with_tasks", "app_without_tasks", "app_broken"]
    registry.autodiscover()
    registry.autodiscover()
    assert "hi" in registry.functions()
    found = checks.functions_are_sound()
    assert [message.id for message in found] == ["scheduling.E009"]
    assert "app_broken.tasks" in found[0].msg
    for name in ("app_with_tasks.tasks", "app_with_tasks", "app_without_tasks", "app_broken"):
        sys.modules.pop(name, None)


def test_problems_become_system_check_errors(fresh: Registry) -> None:
    fresh._discovered = True
    task("X", timeout_seconds=-1)(plain)
    (message,) = [each for each in run_checks(tags=["scheduling"]) if each.id == "scheduling.E004"]
    assert message.is_serious()
    assert "'plain'" in message.msg


@pytest.mark.parametrize("path", ["nowhere.Executor", "json.dumps", "scheduling.executors.nothing", "noDots"])
def test_an_executor_setting_that_leads_nowhere_is_a_check_error(settings: Any, path: str) -> None:
    settings.SCHEDULER = {"executors": {"mine": path}}
    (message,) = checks.executors_can_be_imported()
    assert message.id == "scheduling.E010"
    assert "'mine'" in message.msg
    assert path in message.msg


def test_this_projects_own_functions_are_sound() -> None:
    registry.autodiscover()
    assert {"noop", "sleep", "fail", "echo", "append_line"} <= set(registry.functions())
    assert [problem for problem in registry.problems() if "scheduling.tasks" in problem.message] == []
