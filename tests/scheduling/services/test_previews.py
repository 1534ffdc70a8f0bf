"""What is shown of a schedule before it is saved is what the scheduler does after it was."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from scheduling import clock as clocks
from scheduling.models import Calendar, Task
from scheduling.services import calendars, forecast, previews, tasks
from scheduling.services.plans import plans
from tests.api.conftest import Api, errors
from tests.conftest import TESTER, new_task

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
PREVIEW = "/scheduler/schedule-preview/"
SPREAD = {"trigger": "cron", "trigger_params": {"expression": "H H(1-5) * * *"}, "time_zone": "Asia/Shanghai"}


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    forecast.forget()
    yield
    forecast.forget()


@pytest.fixture
def api(admin_user: Any) -> Api:
    return Api(admin_user)


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("preview_trigger", *arguments, stdout=out)
    return out.getvalue()


def lines_of(said: str) -> list[datetime]:
    """The UTC times that the command has printed."""
    return [datetime.fromisoformat(found) for found in re.findall(r"   (\S+\+00:00)$", said, re.M)]


def text_of(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def real_times(key: str, count: int) -> list[datetime]:
    """As the tick computes them, one from the other."""
    plan = next(iter(plans.read([Task.objects.get(key=key).pk]).values()))
    trigger, at = plan.times, clocks.now()
    found = []
    for _number in range(count):
        following = trigger.next_after(at)
        assert following is not None
        found.append(at := following)
    return found


def crowd(make_task: MakeTask, number: int = 25) -> None:
    for each in range(number):
        make_task(f"at-three-{each:02}", trigger_params={"expression": "0 3 * * *"})


def test_a_task_that_is_to_be_made_has_the_times_that_were_shown(
    clock: clocks.SettableClock, api: Api, admin_client: Client
) -> None:
    """H, spread and calendar count in every preview, once the key is known."""
    calendar = Calendar(key="weekends", weekend=["SAT", "SUN"])
    calendars.save(calendar, actor=TESTER)
    values = {**SPREAD, "spread_seconds": 600}
    body = {**values, "key": "nightly", "calendar": "weekends", "calendar_policy": "shift_next", "count": 9}
    shown = api.post("triggers/preview/", body).data
    said = command(
        "--cron", "H H(1-5) * * *", "--timezone", "Asia/Shanghai", "--key", "nightly", "--spread", "600",
        "--calendar", "weekends", "--calendar-policy", "shift_next", "--count", "9",
    )  # fmt: skip
    form = text_of(
        admin_client.get(
            PREVIEW,
            {
                "key": "nightly", "trigger": "cron", "trigger_params": '{"expression": "H H(1-5) * * *"}',
                "time_zone": "Asia/Shanghai", "spread_seconds": "600", "calendar": str(calendar.pk),
                "calendar_policy": "shift_next",
            },
        )
    )  # fmt: skip
    task = new_task("nightly", calendar=calendar, calendar_policy="shift_next", **values)
    tasks.create(task, actor=TESTER)
    times = real_times("nightly", 9)
    assert [datetime.fromisoformat(text) for text in shown["times"]] == times
    assert [datetime.fromisoformat(text) for text in shown["local_times"]] == times
    assert shown["local_times"][0].endswith("+08:00")
    assert lines_of(said) == times
    for at in times:
        assert f"{at + timedelta(hours=8):%Y-%m-%d %H:%M:%S}" in form
    stored = api.post("triggers/preview/", {"task": "nightly", "count": 9}).data
    assert stored["times"] == shown["times"] == api.get("tasks/nightly/next-runs/", count=9).data["times"]
    assert lines_of(command("--task", "nightly", "--count", "9")) == times


def test_without_a_key_it_is_said_that_the_times_are_others(clock: clocks.SettableClock, api: Api) -> None:
    hint = "H and the spread come from the task's key"
    plain = {"trigger": "cron", "trigger_params": {"hour": 3}}
    part = {"trigger": "cron", "params": {"expression": "H 3 * * *"}}
    inside = {
        "trigger": "any_of",
        "trigger_params": {"triggers": [part, {"trigger": "cron", "params": {"hour": 4}}]},
    }
    for body, expected in (
        (SPREAD, True),
        (SPREAD | {"key": "one"}, False),
        (plain, False),
        (plain | {"spread_seconds": 60}, True),
        (inside, True),
    ):
        warnings = api.post("triggers/preview/", body).data["warnings"]
        assert any(text.startswith(hint) for text in warnings) is expected, body
    assert hint in command("--cron", "H 3 * * *")


def test_what_is_left_out_is_the_stored_tasks_own(
    clock: clocks.SettableClock, api: Api, make_task: MakeTask
) -> None:
    """An interval counts from its anchor; an edit of it from now; and no more runs than there are left."""
    task = make_task("counted", trigger="interval", trigger_params={"minutes": 10}, max_runs=3)
    Task.objects.filter(pk=task.pk).update(run_count=1)
    clock.move(minutes=3)
    found = api.post("triggers/preview/", {"task": "counted"}).data
    assert [text[11:16] for text in found["times"]] == ["12:10", "12:20"]
    found = api.post("triggers/preview/", {"task": "counted", "trigger_params": {"minutes": 20}}).data
    assert [text[11:16] for text in found["times"]] == ["12:23", "12:43", "13:03"]
    found = api.post(
        "triggers/preview/", {"trigger": "interval", "trigger_params": {"minutes": 5}, "count": 1}
    )
    assert found.data["times"][0].startswith("2026-06-01T12:08")
    missing = api.post("triggers/preview/", {"time_zone": "UTC"})
    assert set(errors(missing)) == {"trigger", "trigger_params"}


def test_the_sentence_comes_in_both_languages(clock: clocks.SettableClock, api: Api) -> None:
    body = {"trigger": "cron", "trigger_params": {"expression": "30 2 * * MON-FRI"}}
    both = {"en": "At 02:30:00, Monday to Friday", "zh-hans": "星期一至星期五 02:30:00"}
    for language in both:
        found = api.post("triggers/preview/", body, Accept_Language=language).data
        assert found["descriptions"] == both
        assert found["description"] == both[language]


def test_a_crowded_minute_is_told_at_every_door(
    clock: clocks.SettableClock, api: Api, admin_client: Client, make_task: MakeTask
) -> None:
    crowd(make_task)
    told = "2026-06-02 03:00 UTC is in the same minute as 25 other runs."
    body = {"trigger": "cron", "trigger_params": {"expression": "0 3 * * *"}, "time_zone": "UTC"}
    found = api.post("triggers/preview/", body).data
    assert told in found["warnings"]
    assert found["crowd"] == {
        "at": "2026-06-02T03:00:00Z", "others": 25, "free_minute": 1, "free_minute_others": 0,
    }  # fmt: skip
    assert found["crowd_known"] is True
    assert told in command("--cron", "0 3 * * *")
    asked = {"trigger": "cron", "trigger_params": '{"expression": "0 3 * * *"}', "time_zone": "UTC"}
    page = admin_client.get(PREVIEW, asked)
    assert told in text_of(page)
    for offer in ('data-set-minute="H"', 'data-set-minute="1"', 'data-set-spread="900"'):
        assert offer in page.content.decode()
    chinese = admin_client.get(PREVIEW, asked, headers={"Accept-Language": "zh-hans"}).content.decode()
    assert 'data-set-minute="1"' in chinese
    # A task does not meet itself, and a free minute is no crowd.
    assert api.post("triggers/preview/", {"task": "at-three-00"}).data["crowd"]["others"] == 24
    quiet = api.post("triggers/preview/", body | {"trigger_params": {"expression": "1 3 * * *"}}).data
    assert (quiet["crowd"], quiet["crowd_known"]) == (None, True)
    # One without a single minute has no other minute to go to.
    often = api.post("triggers/preview/", body | {"trigger_params": {"expression": "0,30 3 * * *"}}).data
    assert (often["crowd"]["others"], often["crowd"]["free_minute"]) == (25, None)


def test_nobody_waits_for_the_forecast_of_many_tasks(
    clock: clocks.SettableClock,
    api: Api,
    admin_client: Client,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not known yet is said to be so; the form asks again by itself."""
    crowd(make_task)
    monkeypatch.setattr("scheduling.services.forecast.memory.AT_ONCE", 10)
    begun: list[str] = []
    monkeypatch.setattr("threading.Thread.start", lambda thread: begun.append(thread.name))
    body = {"trigger": "cron", "trigger_params": {"expression": "0 3 * * *"}, "time_zone": "UTC"}
    found = api.post("triggers/preview/", body).data
    assert (found["crowd"], found["crowd_known"], begun) == (None, False, ["forecast-24"])
    asked = {"trigger": "cron", "trigger_params": '{"expression": "0 3 * * *"}', "time_zone": "UTC"}
    assert "data-again" in admin_client.get(PREVIEW, asked).content.decode()
    assert begun == ["forecast-24"]  # one is enough
    forecast.of_hours()  # as the thread does
    assert api.post("triggers/preview/", body).data["crowd"]["others"] == 25


def test_a_schedule_is_explained_without_a_forecast(clock: clocks.SettableClock) -> None:
    task = previews.as_asked(None, {"trigger": "cron", "trigger_params": {"hour": 3}}, clock.at)
    seen = previews.explain(task, after=clock.at, count=2, crowded_by=None)
    assert (seen.crowd, seen.crowd_known, len(seen.preview.times)) == (None, False, 2)
