"""A calendar is written without JSON: weekdays to tick, days and windows a line each, and back again."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from scheduling.clock import SettableClock
from scheduling.forms import calendars as forms
from scheduling.models import Calendar, Task
from scheduling.services import calendars
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
ADD = "/admin/scheduling/calendar/add/"
FORM = {
    "key": "freeze", "name": "", "description": "", "time_zone": "Europe/Berlin", "country": "", "subdivision": "",
    "weekend": ["SAT", "SUN"],
    "dates": "2027-05-04..2027-05-07 Spring freeze\r\n12-24\r\n+2027-10-10\r\n\r\n+2026-06-06 Make-up day",
    "windows": "2027-01-31 22:00..2027-02-01 06:00 Move\r\nsat, SUN 22:00..06:00",
}  # fmt: skip
DATES = [
    {"date": "2027-05-04", "until": "2027-05-07", "name": "Spring freeze"},
    "12-24",
    {"date": "2027-10-10", "working": True},
    {"date": "2026-06-06", "working": True, "name": "Make-up day"},
]
WINDOWS = [
    {"start": "2027-01-31 22:00", "end": "2027-02-01 06:00", "name": "Move"},
    {"weekdays": ["SAT", "SUN"], "from": "22:00", "to": "06:00"},
]


def text_of(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def test_lines_are_stored_shown_again_and_move_tasks(
    admin_client: Client, clock: SettableClock, make_task: MakeTask
) -> None:
    assert admin_client.post(ADD, FORM).status_code == 302
    calendar = Calendar.objects.get()
    assert (calendar.weekend, calendar.dates, calendar.windows) == (["SAT", "SUN"], DATES, WINDOWS)
    page = admin_client.get(f"/admin/scheduling/calendar/{calendar.pk}/change/").content.decode()
    assert "2027-05-04..2027-05-07 Spring freeze\n12-24\n+2027-10-10\n+2026-06-06 Make-up day" in page
    assert "2027-01-31 22:00..2027-02-01 06:00 Move\nSAT,SUN 22:00..06:00" in page
    assert len(re.findall(r'name="weekend"[^>]*checked', page)) == 2
    # A Tuesday that is marked: the page says which task moves, and from when to when.
    make_task("nightly", calendar=calendar, trigger_params={"expression": "0 3 * * *"})
    changed = FORM | {"dates": FORM["dates"] + "\r\n2026-06-02"}
    answer = admin_client.post(f"/admin/scheduling/calendar/{calendar.pk}/change/", changed, follow=True)
    assert (
        "1 task has another next time now: nightly (2026-06-02 03:00:00+00:00 → 2026-06-03 03:00:00+00:00)"
        in text_of(answer)
    )
    # Emptied, nothing is marked.
    empty = FORM | {"dates": "", "windows": "", "weekend": []}
    admin_client.post(f"/admin/scheduling/calendar/{calendar.pk}/change/", empty)
    calendar.refresh_from_db()
    assert (calendar.weekend, calendar.dates, calendar.windows) == ([], [], [])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dates": "12-24\n4 May 2027"}, "Line 2: “4 May 2027” cannot be read."),
        ({"dates": "2027-02-30"}, "“2027-02-30” is not a day"),
        ({"dates": "2027-05-07..2027-05-04"}, "until must be the day itself or later"),
        ({"windows": "SUN 22:00"}, "Line 1: “SUN 22:00” cannot be read."),
        ({"windows": "SON 22:00..06:00"}, "“SON” is not a list of weekdays."),
        ({"windows": "SUN 25:00..06:00"}, "“25:00” is not a time of day"),
        ({"windows": "[{"}, "This is not JSON."),
        ({"weekend": ["FUNDAY"]}, "FUNDAY"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(admin_client: Client, values: dict[str, Any], said: str) -> None:
    answer = admin_client.post(ADD, FORM | values)
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert not Calendar.objects.exists()


def test_json_is_taken_too(admin_client: Client) -> None:
    assert (
        admin_client.post(
            ADD, FORM | {"windows": '[{"start": "2027-01-31", "end": "2027-02-07"}]'}
        ).status_code
        == 302
    )
    assert Calendar.objects.get().windows == [{"start": "2027-01-31", "end": "2027-02-07"}]


@pytest.mark.parametrize(
    "entry", [*DATES, {"date": "2027-05-04", "until": "2027-05-04", "working": True, "name": "a..b"}]
)
def test_days_come_back_as_they_were(entry: Any) -> None:
    assert forms.read_date(forms.write_date({"date": entry} if isinstance(entry, str) else entry)) == entry


@pytest.mark.parametrize(
    "entry",
    [*WINDOWS, {"start": "2027-01-31T22:00:00+08:00", "end": "2027-02-01", "name": "1 of 2"},
     {"weekdays": ["MON"], "from": "00:00", "to": "23:59:59", "name": "x y"}],
)  # fmt: skip
def test_windows_come_back_as_they_were(entry: Any) -> None:
    assert forms.read_window(forms.write_window(entry)) == entry


def test_a_calendar_of_another_door_opens(admin_client: Client, clock: SettableClock) -> None:
    """Weekdays as one text, days as objects: what YAML and the API may hold."""
    calendar = Calendar(key="other", weekend="sat, sun", dates=[{"date": "01-01"}], windows=[
        {"weekdays": "SUN", "from": "22:00", "to": "06:00"},
    ])  # fmt: skip
    calendars.save(calendar, actor=TESTER)
    page = admin_client.get(f"/admin/scheduling/calendar/{calendar.pk}/change/").content.decode()
    assert len(re.findall(r'name="weekend"[^>]*checked', page)) == 2
    assert "SUN 22:00..06:00" in page
    assert calendar.rules().weekend == frozenset({6, 7})
