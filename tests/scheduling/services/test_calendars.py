"""Calendars of tasks: an edit moves their next times at once, and all computes with the calendar as it is now."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django_apscheduler.models import DjangoJob

from scheduling import clock as clocks
from scheduling.exceptions import EditedMeanwhile
from scheduling.models import Calendar, Execution, State, Task
from scheduling.services import admission, calendars, definitions, repair, tasks
from scheduling.services.calendars import Move
from tests.conftest import TESTER

MakeTask = Callable[..., Task]
NINE = {"trigger": "cron", "trigger_params": {"expression": "0 9 * * *"}}

pytestmark = pytest.mark.django_db


def utc(day: int, hour: int = 9) -> datetime:
    return datetime(2026, 6, day, hour, tzinfo=UTC)


def make_calendar(key: str = "days", **values: Any) -> Calendar:
    calendar = Calendar(key=key, name=key, **values)
    calendars.save(calendar, actor=TESTER)
    return calendar


def next_time(task: Task) -> datetime | None:
    at: datetime | None = DjangoJob.objects.values_list("next_run_time", flat=True).get(pk=str(task.pk))
    return at


def test_an_edit_moves_the_tasks_and_says_which(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    calendar = make_calendar(dates=["2026-06-02"])
    skips = make_task("skips", calendar=calendar, **NINE)
    only = make_task("only", calendar=calendar, calendar_policy="only", **NINE)
    shifts = make_task("shifts", calendar=calendar, calendar_policy="shift_next", **NINE)
    other = make_task("other", **NINE)
    paused = make_task("paused", calendar=calendar, **NINE)
    tasks.pause(paused.pk, actor=TESTER)
    assert [next_time(task) for task in (skips, only, shifts, other, paused)] == [
        utc(3), utc(2), utc(3), utc(2), None
    ]  # fmt: skip

    calendar.dates = ["2026-06-03"]
    expected = [Move(skips.pk, "skips", utc(3), utc(2)), Move(only.pk, "only", utc(2), utc(3)),
                Move(shifts.pk, "shifts", utc(3), utc(2))]  # fmt: skip
    assert calendars.moves(calendar) == expected
    assert next_time(skips) == utc(3)  # asked only
    assert calendars.save(calendar, actor=TESTER) == expected
    assert [next_time(task) for task in (skips, only, shifts, other, paused)] == [
        utc(2), utc(3), utc(2), utc(2), None
    ]  # fmt: skip
    calendar.name = "Renamed"
    assert calendars.save(calendar, actor=TESTER) == []
    assert calendar.version == 3
    assert repair.mend_live_rows(clock.now()) == {}


def test_what_was_due_is_decided_by_the_old_calendar(
    clock: clocks.SettableClock, make_task: MakeTask
) -> None:
    calendar = make_calendar(dates=["2026-06-05"])
    task = make_task(calendar=calendar, **NINE)
    clock.move(days=1)  # past 2 June, 09:00, and nobody has looked yet
    calendar.dates = [{"date": "2026-06-01", "until": "2026-06-09"}]
    (move,) = calendars.save(calendar, actor=TESTER)
    assert move.after == utc(10)
    (execution,) = Execution.objects.all()
    assert (execution.scheduled_for, execution.state) == (utc(2), State.QUEUED)
    assert next_time(task) == utc(10)


def test_admission_takes_the_calendar_as_it_is_now(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    calendar = make_calendar(dates=["2026-06-03"])
    task = make_task(calendar=calendar, **NINE)
    clock.move(days=1)
    admission.admit_due(clock.now())
    assert next_time(task) == utc(4)
    calendar.dates = ["2026-06-05"]
    calendars.save(calendar, actor=TESTER)
    assert next_time(task) == utc(3)
    clock.move(days=2)
    admission.admit_due(clock.now())  # the plan kept from before must not be used
    assert next_time(task) == utc(6)


def test_refused(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    calendar = make_calendar(country="CN")
    stale = Calendar.objects.get(pk=calendar.pk)
    calendars.save(calendar, actor=TESTER)
    with pytest.raises(EditedMeanwhile):
        calendars.save(stale, actor=TESTER)
    with pytest.raises(ValidationError) as caught:
        make_calendar("wrong", country="XX", dates=["soon"])
    assert set(caught.value.message_dict) == {"country", "dates"}
    make_task(calendar=calendar, **NINE)
    with pytest.raises(ProtectedError):
        calendars.delete(calendar, actor=TESTER)
    always = make_calendar("always", weekend=["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"])
    with pytest.raises(ValidationError, match="no time after now"):
        make_task("never", calendar=always, **NINE)


def test_a_calendar_gone_wrong_breaks_the_tasks_and_nothing_else(
    clock: clocks.SettableClock, make_task: MakeTask
) -> None:
    """As when the holidays package no longer knows a country."""
    calendar = make_calendar(country="CN")
    broken, sound = make_task("broken", calendar=calendar, **NINE), make_task("sound", **NINE)
    Calendar.objects.filter(pk=calendar.pk).update(country="XX", version=9)
    clock.move(days=1)
    admitted = admission.admit_due(clock.now())
    assert list(admitted.broken) == [broken.pk]
    assert Execution.objects.get().task_id == sound.pk
    broken.refresh_from_db()
    assert "country" in broken.schedule_error
    calendar = Calendar.objects.get(pk=calendar.pk)
    calendar.country = "DE"
    calendars.save(calendar, actor=TESTER)
    assert next_time(broken) == utc(3)
    broken.refresh_from_db()
    assert broken.schedule_error == ""  # it goes on, and nobody is to believe that it does not


def test_yaml_carries_calendars(clock: clocks.SettableClock) -> None:
    text = """
calendars:
  - key: china
    name: China
    country: CN
    weekend: [SAT, SUN]
    windows: [{weekdays: [MON], from: "00:00", to: "08:00"}]
tasks:
  - key: report
    function: noop
    trigger: cron
    trigger_params: {hour: 9}
    calendar: china
    calendar_policy: shift_next
    spread_seconds: 60
    max_runs: 5
"""
    summary = definitions.load(text)
    assert (summary.added, summary.problems) == (["report"], [])
    task = Task.objects.get(key="report")
    assert (task.calendar.key, task.calendar_policy, task.spread_seconds, task.max_runs) == (
        "china", "shift_next", 60, 5
    )  # fmt: skip
    exported = definitions.export(Task.objects.all())
    assert definitions.load(exported).unchanged == ["report"]
    Task.objects.all().delete()
    Calendar.objects.all().delete()
    assert definitions.load(exported, force=True).added == ["report"]
    assert Calendar.objects.get().rules().country == "CN"
    wrong = definitions.load(
        text.replace("calendar: china", "calendar: chnia").replace("country: CN", "contry: CN")
    )
    assert {problem.field for problem in wrong.problems} == {"calendar", "contry"}


def test_the_year_of_a_calendar() -> None:
    """China's holidays of 2026, with a Sunday that is worked for one; windows by the calendar's own clock."""
    calendar = Calendar(
        key="cn", country="CN", weekend=["SAT", "SUN"], time_zone="Asia/Shanghai",
        dates=[{"date": "2026-03-07", "working": True, "name": "Stocktaking"}, {"date": "2026-03-09", "name": "Move"}],
        windows=[
            {"start": "2026-04-15 22:00", "end": "2026-04-17 00:00", "name": "Patch"},
            {"start": "2026-12-30T16:00:00Z", "end": "2027-01-01T00:00:00Z"},
            {"weekdays": ["MON"], "from": "23:00", "to": "01:00"},
        ],
    )  # fmt: skip
    found = {day.date.isoformat(): day for day in calendars.year_of(calendar, 2026)}
    holiday = found["2026-01-01"]
    assert (holiday.kind, holiday.name) == ("marked", "New Year's Day")
    assert (found["2026-01-04"].kind, found["2026-03-07"].kind) == ("worked", "worked")
    assert found["2026-03-07"].name == "Stocktaking"
    assert (found["2026-03-09"].kind, found["2026-03-09"].windows) == ("marked", ["23:00–24:00"])
    assert found["2026-03-10"].windows == ["00:00–01:00"]
    assert found["2026-04-15"].windows == ["22:00–24:00 Patch"]
    assert found["2026-04-16"].windows == ["00:00–24:00 Patch"]
    assert "2026-04-17" not in found
    assert found["2026-12-31"].windows == ["00:00–24:00"]
    assert "2026-12-30" not in found
    with translation.override("zh-hans"):
        assert calendars.year_of(calendar, 2026)[0].name == "元旦"
    assert calendars.year_of(Calendar(key="none"), 2026) == []
    assert [day.date for day in calendars.year_of(Calendar(key="leap", dates=["02-29"]), 2028)] == [
        date(2028, 2, 29)
    ]


def test_the_page_shows_the_year(
    admin_client: Client, clock: clocks.SettableClock, make_task: MakeTask
) -> None:
    calendar = Calendar(
        key="de", country="DE", windows=[{"weekdays": ["SUN"], "from": "22:00", "to": "06:00"}]
    )
    calendars.save(calendar, actor=TESTER)
    address = f"/admin/scheduling/calendar/{calendar.pk}/change/"
    page = admin_client.get(address).content.decode()
    assert "What is marked in 2026" in page
    assert 'title="marked · Labor Day"' in page
    assert "None yet" in page
    make_task("nightly", calendar=calendar)
    page = admin_client.get(f"{address}?year=2027").content.decode()
    assert "What is marked in 2027" in page
    assert "nightly</a>" in page
    for year, shown in (("9999", 2099), ("0001", 1970), ("next", 2026), ("２０２７", 2026), ("", 2026)):
        page = admin_client.get(address, {"year": year}).content.decode()
        assert f"What is marked in {shown}" in page, year
    Calendar.objects.update(country="XX")  # as when a newer package knows the country no more
    page = admin_client.get(address)
    assert page.status_code == 200
    assert "XX" in page.content.decode()


def test_the_command(make_task: MakeTask) -> None:
    def say(*arguments: str) -> str:
        out = StringIO()
        call_command("calendar", *arguments, stdout=out, stderr=StringIO())
        return out.getvalue()

    calendar = Calendar(key="de", name="Deutschland", country="DE", time_zone="Europe/Berlin")
    calendars.save(calendar, actor=TESTER)
    assert "Deutschland" in say("list")
    assert json.loads(say("list", "--json"))["country"] == "DE"
    assert "2027-05-01  marked  Labor Day" in say("show", "de", "--year", "2027").splitlines()
    assert json.loads(say("show", "de", "--json").splitlines()[0])["kind"] == "marked"
    for wrong in (("show", "ed"), ("show", "de", "--year", "12"), ("delete", "de", "nothing")):
        if wrong[0] == "delete":
            make_task("nightly", calendar=calendar)
        with pytest.raises(CommandError):
            say(*wrong)
    tasks.delete(Task.objects.get().pk, actor=TESTER)
    say("delete", "de")
    assert not Calendar.objects.exists()


def test_the_page_says_which_tasks_move(
    clock: clocks.SettableClock, make_task: MakeTask, admin_client: Client
) -> None:
    calendar = make_calendar(dates=["2026-06-09"])
    make_task("moving", calendar=calendar, **NINE)
    form = {"key": "days", "name": "Days", "description": "", "time_zone": "", "country": "", "subdivision": "",
            "dates": "2026-06-02", "windows": ""}  # fmt: skip
    address = reverse("admin:scheduling_calendar_change", args=[calendar.pk])
    page = admin_client.post(address, form, follow=True)
    assert "moving (2026-06-02 09:00:00+00:00 → 2026-06-03 09:00:00+00:00)" in page.content.decode()
    refused = admin_client.post(address, form | {"country": "XX"})
    assert "There is no country" in refused.content.decode()


# The maximum number of runs


def test_no_more_runs_than_the_maximum(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    task = make_task(max_runs=3, misfire_policy="run_all", **NINE)
    clock.move(days=1)
    admission.admit_due(clock.now())
    clock.move(days=5)  # five more are due, two are left
    admission.admit_due(clock.now())
    assert list(Execution.objects.order_by("scheduled_for").values_list("scheduled_for", flat=True)) == [
        utc(2), utc(3), utc(4)
    ]  # fmt: skip
    assert next_time(task) is None
    assert repair.mend_live_rows(clock.now()) == {}
    task.refresh_from_db()
    assert (task.run_count, task.has_run_enough) == (3, True)
    tasks.run_now(task.pk, actor=TESTER)  # by hand is not counted
    # More of them: the count goes on. Another schedule: it begins anew.
    task.max_runs = 4
    task = tasks.edit(task, actor=TESTER)
    assert (next_time(task), task.run_count) == (utc(8), 3)
    task.trigger_params = {"expression": "0 10 * * *"}
    task = tasks.edit(task, actor=TESTER)
    assert (next_time(task), task.run_count) == (utc(8, 10), 0)


def test_skipped_and_missed_ones_do_not_count(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    task = make_task(max_runs=2, **NINE)  # one at a time, the others are skipped
    clock.move(days=1)
    admission.admit_due(clock.now())
    clock.move(days=1)
    admission.admit_due(clock.now())  # the first one is still queued
    task.refresh_from_db()
    assert task.run_count == 1
    assert set(Execution.objects.values_list("state", flat=True)) == {State.QUEUED, State.SKIPPED}
    assert next_time(task) == utc(4)


def test_manual_only(clock: clocks.SettableClock, make_task: MakeTask) -> None:
    task = make_task(trigger="manual", trigger_params={})
    assert next_time(task) is None
    assert tasks.run_now(task.pk, actor=TESTER).state == State.QUEUED
    assert repair.mend_live_rows(clock.now()) == {}
