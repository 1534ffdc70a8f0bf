"""The form of a task, and what it asks the server while somebody types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from html import unescape
from typing import Any, Literal

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling import registry, triggers
from scheduling.clock import SettableClock
from scheduling.models import Calendar, Dependency, Group, Pool, Task
from scheduling.registry import Registry
from scheduling.services import calendars, tasks
from tests.bad_inputs.test_bad_inputs import GOOD_FORM
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
TASKS, PREVIEW, FIELDS = (
    "/admin/scheduling/task/",
    "/scheduler/schedule-preview/",
    "/scheduler/function-fields/",
)
GOOD_SCHEDULE = {
    "trigger": "cron", "trigger_params": '{"expression": "30 2 * * *"}', "time_zone": "Europe/Berlin",
    "clock_gap": "run_after", "clock_overlap": "first",
}  # fmt: skip


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())))


def fields_of(answer: Any) -> dict[str, str]:
    """The parameters of a page and which input each has."""
    return dict(re.findall(r'data-parameter="(\w+)" data-kind="(\w+)"', answer.content.decode()))


@pytest.fixture
def every_kind() -> Any:
    """A function with a parameter of each kind."""

    def everything(
        word: str, number: int, share: float, sure: bool, choice: Literal["a", "b"], names: list[str],
        rest: dict[str, int], day: date, moment: datetime, maybe: int | None = None, pairs: list[list[int]] = [],  # noqa: B006
    ) -> None:  # fmt: skip
        """Takes everything.

        Args:
            word: What is said.
        """

    with registry.use(Registry()):
        registry.task("Everything", function="everything")(everything)
        yield


def test_each_parameter_gets_the_input_of_its_type(admin_client: Client, every_kind: None) -> None:
    page = admin_client.get(FIELDS, {"function": "everything"})
    assert fields_of(page) == {
        "word": "text", "number": "integer", "share": "number", "sure": "boolean", "choice": "choice",
        "names": "list", "rest": "json", "day": "date", "moment": "datetime", "maybe": "integer", "pairs": "json",
    }  # fmt: skip
    text = text_of(page)
    assert "What is said." in text
    assert "Left empty: []." in text
    html = page.content.decode()
    assert html.count('aria-required="true"') == 9
    inputs = re.findall(r'<(?:input|select|textarea) id="([^"]+)"', html)
    assert len(inputs) == 11
    assert set(re.findall(r'<label class="parameter-label" for="([^"]+)"', html)) == set(inputs)


def test_functions_without_parameters_or_unknown_ones_say_so(admin_client: Client) -> None:
    assert "takes no parameters" in text_of(admin_client.get(FIELDS, {"function": "noop"}))
    assert "Choose a function" in text_of(admin_client.get(FIELDS, {"function": "<script>"}))


def test_what_a_function_declares_is_told_when_it_is_chosen(admin_client: Client) -> None:
    page = admin_client.get(FIELDS, {"function": "http_request"})
    declared = re.findall(r'data-declared="([^"]*)"', page.content.decode())
    assert json.loads(unescape(declared[0])) == {
        "timeout_seconds": 120, "executor": "thread", "queue": "default", "retries": 0,
    }  # fmt: skip
    assert "The function declares: timeout (seconds): 120." in text_of(page)
    assert "The function declares" not in text_of(admin_client.get(FIELDS, {"function": "noop"}))
    assert "data-declared" not in admin_client.get(FIELDS, {"function": "none"}).content.decode()


def test_a_link_to_a_new_task_of_a_function_begins_with_what_that_declares(admin_client: Client) -> None:
    page = admin_client.get(f"{TASKS}add/", {"function": "http_request", "queue": "slow"})
    form = page.context["adminform"].form
    said = {name: form[name].value() for name in ("function", "timeout_seconds", "executor", "queue")}
    assert said == {
        "function": "http_request", "timeout_seconds": 120, "executor": "thread", "queue": "slow",
    }  # fmt: skip


def test_what_is_wrong_with_a_parameter_is_said_at_its_field(admin_client: Client) -> None:
    form = GOOD_FORM | {"function": "sleep", "parameters": '{"seconds": "long", "speed": 3}'}
    page = admin_client.post(f"{TASKS}add/", form).content.decode()
    field = page[page.index('data-parameter="seconds"') :].partition("</div>")[0]
    assert "must be a number" in field
    assert 'aria-invalid="true"' in field
    assert "speed: The function has no such parameter." in page
    assert "&quot;seconds&quot;: &quot;long&quot;" in page  # what was typed is still there


def test_a_cron_expression_may_be_typed_without_json(admin_client: Client) -> None:
    assert admin_client.post(f"{TASKS}add/", GOOD_FORM | {"trigger_params": " 0 3 * * 1 "}).status_code == 302
    assert Task.objects.get().trigger_params == {"expression": "0 3 * * 1"}


def test_times_are_typed_and_shown_in_the_tasks_own_zone(admin_client: Client, clock: SettableClock) -> None:
    form = GOOD_FORM | {"time_zone": "Asia/Shanghai", "start_at_0": "2026-07-01", "start_at_1": "08:00:00"}
    assert admin_client.post(f"{TASKS}add/", form).status_code == 302
    task = Task.objects.get()
    assert task.start_at == datetime(2026, 7, 1, 0, 0, tzinfo=UTC)
    page = admin_client.get(f"{TASKS}{task.pk}/change/").content.decode()
    assert re.search(r'value="2026-07-01"[^>]*id="id_start_at_0"', page)
    assert re.search(r'value="08:00:00"[^>]*id="id_start_at_1"', page)
    assert admin_client.post(f"{TASKS}{task.pk}/change/", form | {"seen_version": "1"}).status_code == 302
    assert list(task.versions.values_list("version", "changes")) == [(1, {})]  # nothing differs


def test_a_built_in_task_keeps_key_and_function(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task("kept", built_in=True)
    page = admin_client.get(f"{TASKS}{task.pk}/change/").content.decode()
    assert 'name="key"' not in page
    assert 'name="function"' not in page
    form = GOOD_FORM | {"seen_version": "1", "function": "fail", "retries": "2"}
    assert admin_client.post(f"{TASKS}{task.pk}/change/", form).status_code == 302
    task.refresh_from_db()
    assert (task.key, task.function, task.retries) == ("kept", "noop", 2)


def test_the_next_runs_in_words_and_in_the_zone(admin_client: Client, clock: SettableClock) -> None:
    clock.at = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    text = text_of(admin_client.get(PREVIEW, GOOD_SCHEDULE))
    assert "Every day at 02:30:00 (Europe/Berlin)" in text
    assert "The next 10 runs:" in text
    assert "Sun 2026-10-25 02:30:00 CEST" in text
    assert "Mon 2026-10-26 02:30:00 CET" in text
    assert "Clock change on 2026-10-25: back from 03:00 to 02:00." in text
    page = admin_client.get(PREVIEW, GOOD_SCHEDULE).content.decode()
    assert 'title="2026-10-25 00:30:00 UTC"' in page


def test_the_preview_keeps_to_start_and_end(admin_client: Client, clock: SettableClock) -> None:
    bounds = {"start_at_0": "2026-07-01", "end_at_0": "2026-07-02", "end_at_1": "12:00:00"}
    text = text_of(admin_client.get(PREVIEW, GOOD_SCHEDULE | bounds))
    assert "The next 2 runs:" in text
    assert "2026-07-01 02:30:00" in text


def test_the_preview_of_an_interval_counts_as_the_task_does(
    admin_client: Client, make_task: MakeTask, clock: SettableClock
) -> None:
    params = {"minutes": 10}
    task = make_task(trigger="interval", trigger_params=params)
    clock.move(minutes=3)
    asked = {"trigger": "interval", "trigger_params": json.dumps(params), "time_zone": "UTC", "task": task.pk}
    assert "2026-06-01 12:10:00" in text_of(admin_client.get(PREVIEW, asked))
    changed = asked | {"trigger_params": '{"minutes": 20}'}  # would be counted from the edit
    assert "2026-06-01 12:23:00" in text_of(admin_client.get(PREVIEW, changed))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trigger_params": "{"}, "This is not JSON."),
        ({"trigger_params": "[" * 100_000}, "This is not JSON."),
        ({"trigger_params": "[1]"}, "mapping"),
        ({"trigger_params": '{"expression": "61 * * * *"}'}, "0–59"),
        ({"trigger": "lunar"}, "“lunar” is not known."),
        ({"time_zone": "Mars/Base"}, "Mars/Base"),
        ({"start_at_0": "soon"}, "soon"),
        ({"task": "9" * 30}, "Every day"),
        ({"task": "<b>"}, "Every day"),
    ],
)
def test_a_preview_of_nonsense_says_what_is_wrong(
    admin_client: Client, given: dict[str, str], said: str
) -> None:
    assert said in text_of(admin_client.get(PREVIEW, GOOD_SCHEDULE | given))


def test_the_preview_knows_calendar_and_spread(admin_client: Client, clock: SettableClock) -> None:
    calendar = Calendar(key="weekends", weekend=["SAT", "SUN"])
    calendars.save(calendar, actor=TESTER)
    asked = GOOD_SCHEDULE | {"calendar": str(calendar.pk), "calendar_policy": "skip"}
    text = text_of(admin_client.get(PREVIEW, asked))
    assert "Fri 2026-06-05" in text
    assert "Sat 2026-06-06" not in text
    spread = text_of(admin_client.get(PREVIEW, GOOD_SCHEDULE | {"spread_seconds": "600", "key": "one"}))
    assert spread != text_of(
        admin_client.get(PREVIEW, GOOD_SCHEDULE | {"spread_seconds": "600", "key": "two"})
    )


def test_every_kind_of_schedule_has_an_editor(admin_client: Client) -> None:
    page = admin_client.get(f"{TASKS}add/").content.decode()
    assert re.findall(r'data-editor="(\w+)"', page) == list(triggers.names())
    for kind in triggers.TRIGGERS.values():
        if kind.kind != "cron":
            assert all(f'data-key="{key}"' in page for key in kind.keys), kind


@pytest.mark.parametrize("address", [PREVIEW, FIELDS])
def test_what_the_form_asks_is_for_those_who_may_look(client: Client, address: str) -> None:
    assert client.get(address).status_code == 302  # to the login
    user = get_user_model().objects.create_user("eve", is_staff=True)
    client.force_login(user)
    assert client.get(address).status_code == 403


def test_policies_are_explained(admin_client: Client) -> None:
    text = text_of(admin_client.get(f"{TASKS}add/"))
    for meaning in (
        "After a time without a scheduler.",
        "In spring clocks jump forward",
        "In autumn an hour comes twice",
        "while as many as allowed are running",
    ):
        assert meaning in text


def test_a_page_of_a_task_tells_how_it_stands(
    admin_client: Client, make_task: MakeTask, clock: SettableClock
) -> None:
    task = make_task()
    tasks.pause(task.pk, actor=TESTER)
    text = text_of(admin_client.get(f"{TASKS}{task.pk}/change/"))
    for part in ("paused", "Every minute", "never ran", "Resume", "Versions (2)"):
        assert part in text


def test_the_preview_of_a_stored_task_says_what_saving_it_changes(
    admin_client: Client, make_task: MakeTask, clock: SettableClock
) -> None:
    """Daily at 2:30 becomes daily at 3:30; the same schedule, typed again, changes nothing."""
    values = {"trigger": "cron", "trigger_params": {"expression": "30 2 * * *"}, "time_zone": "Europe/Berlin"}
    task = make_task(**values)
    asked = GOOD_SCHEDULE | {"task": str(task.pk), "key": task.key}
    assert "What saving it changes" not in text_of(admin_client.get(PREVIEW, asked))
    later = text_of(admin_client.get(PREVIEW, asked | {"trigger_params": '{"expression": "30 3 * * *"}'}))
    for days in (7, 30, 90):
        assert f"Occurrences of the next {days} days: 0 added, 0 removed, {days} moved." in later
    assert "2026-06-02 02:30:00 CEST → 2026-06-02 03:30:00 CEST" in later
    ends = text_of(admin_client.get(PREVIEW, asked | {"end_at_0": "2026-06-04"}))
    assert "next 7 days: 0 added, 5 removed, 0 moved." in ends
    fewer = text_of(admin_client.get(PREVIEW, asked | {"max_runs": "2"}))
    assert "next 7 days: 0 added, 5 removed, 0 moved." in fewer
    assert "What saving it changes" not in text_of(admin_client.get(PREVIEW, GOOD_SCHEDULE))
    assert Task.objects.get(pk=task.pk).version == 1


def test_the_page_of_a_task_asks_few_questions(
    admin_client: Client, make_task: MakeTask, admin_user: Any
) -> None:
    """P9: also where the task belongs to a group, a pool and a person, waits for another, and was admitted before."""
    first = make_task("first")
    group = Group.objects.create(key="night", name="Night")
    pool = Pool.objects.create(key="heavy", name="Heavy", capacity=3)
    calendar = Calendar(key="weekends", weekend=["SAT", "SUN"])
    calendars.save(calendar, actor=TESTER)
    task = make_task("second", group=group, pool=pool, owner=admin_user, calendar=calendar)
    Dependency.objects.create(task=task, upstream=first)
    tasks.run_now(task.pk, actor=TESTER)
    address = f"/admin/scheduling/task/{task.pk}/change/"
    admin_client.get(address)  # queues without a node are looked for now and then, whatever the page
    with CaptureQueriesContext(connection) as queries:
        page = text_of(admin_client.get(address))
    assert "Night" in page
    assert len(queries) <= 12, [query["sql"] for query in queries]
