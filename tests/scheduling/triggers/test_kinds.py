"""Dates, steps of months, calendar rules, combinations and third-party kinds, each against its plain meaning."""

from __future__ import annotations

import sys
import types
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger as TheirInterval
from dateutil.relativedelta import relativedelta
from dateutil.rrule import rrulestr
from django.core.checks import run_checks
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling import triggers

YEAR_2000, YEAR_2010, YEAR_2024, YEAR_2027, YEAR_2030, YEAR_2040 = (
    datetime(year, 1, 1)  # noqa: DTZ001  (hypothesis wants naive ones)
    for year in (2000, 2010, 2024, 2027, 2030, 2040)
)
START = datetime(2026, 1, 1, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def backwards(trigger: triggers.Trigger, until: datetime, after: datetime) -> list[datetime]:
    """The occurrences in (after, until], found by stepping back."""
    found = []
    instant = trigger.latest(until, after)
    while instant is not None:
        found.append(instant)
        instant = trigger.latest(instant - timedelta(microseconds=1), after)
    return found[::-1]


def check(trigger: triggers.Trigger, expected: list[datetime], after: datetime, until: datetime) -> None:
    """Both ways, and from moments in between."""
    assert trigger.between(after, until, len(expected) + 5) == expected
    assert backwards(trigger, until, after) == expected
    for now in (after + (until - after) * part / 7 for part in range(1, 7)):
        later = [at for at in expected if at > now]
        if later:
            assert trigger.next_after(now) == later[0]


# Dates


def test_a_list_of_dates() -> None:
    params = {"run_dates": ["2026-03-01 03:00", "2026-02-01T03:00:00+01:00", "2026-03-01 03:00"]}
    trigger = triggers.build("date", params, zone="Asia/Shanghai")
    check(trigger, [utc("2026-02-01T02:00"), utc("2026-02-28T19:00")], START, FAR)
    assert trigger.describe() == "On these dates: 2026-02-01 at 10:00:00; 2026-03-01 at 03:00:00"
    many = triggers.build("date", {"run_dates": [f"2026-01-{day:02}" for day in range(1, 11)]})
    assert many.describe().endswith("2026-01-03 at 00:00:00; and 7 more")


# Months and years


@settings(max_examples=100, deadline=None)
@given(
    anchor=st.datetimes(YEAR_2000, YEAR_2030).map(lambda at: at.replace(microsecond=0)),
    months=st.integers(1, 30),
    days=st.sampled_from([0, 0, 0, 1, 10]),
    after=st.datetimes(YEAR_2010, YEAR_2040),
)
def test_months(anchor: datetime, months: int, days: int, after: datetime) -> None:
    params = {"years": months // 12, "months": months % 12, "days": days}
    trigger = triggers.build("interval", params, anchor_at=anchor.replace(tzinfo=UTC))
    low = after.replace(tzinfo=UTC)
    high = low + timedelta(days=1500)
    steps = (anchor + relativedelta(months=months * n) + timedelta(days=days * n) for n in range(-600, 600))
    expected = [at.replace(tzinfo=UTC) for at in steps if low < at.replace(tzinfo=UTC) <= high]
    check(trigger, expected, low, high)


def test_months_keep_to_the_wall_clock() -> None:
    terms: dict[str, Any] = {"zone": "Europe/Berlin", "start_at": "2026-01-31 02:30"}
    trigger = triggers.build("interval", {"months": 1}, **terms)
    local = [
        at.astimezone(triggers.zone("Europe/Berlin")).isoformat() for at in trigger.between(START, FAR, 4)
    ]
    assert local == [
        "2026-01-31T02:30:00+01:00",
        "2026-02-28T02:30:00+01:00",
        "2026-03-31T02:30:00+02:00",
        "2026-04-30T02:30:00+02:00",
    ]
    assert trigger.describe() == "Every month, counted from 2026-01-31 at 02:30:00"
    assert trigger.warnings() == ["Months without a day 31 run on their last day."]
    missing = triggers.build("interval", {"years": 1}, zone="Europe/Berlin", start_at="2025-03-29 02:30")
    assert missing.next_after(utc("2026-01-01")) == utc("2026-03-29T01:00")  # right after the gap
    skipped = triggers.build(
        "interval", {"years": 1}, zone="Europe/Berlin", gap="skip", start_at="2025-03-29 02:30"
    )
    assert skipped.next_after(utc("2026-01-01")) == utc("2027-03-29T00:30")


def test_a_start_with_parts_of_a_second_is_not_missed() -> None:
    start = utc("2026-01-15T10:00:00.250000")
    trigger = triggers.build("interval", {"months": 1}, start_at=start)
    assert trigger.next_after(START) == utc("2026-01-15T10:00:01")


# Calendar rules


RULES = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3;BYHOUR=9,17;BYMINUTE=30",
    "FREQ=WEEKLY;BYDAY=MO,FR",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU",
    "FREQ=WEEKLY;INTERVAL=5",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY;BYDAY=1MO,3MO",
    "FREQ=MONTHLY;BYMONTHDAY=-1,15",
    "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
    "FREQ=YEARLY",
    "FREQ=YEARLY;BYMONTH=1,7;BYDAY=2SU",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO",
    "FREQ=YEARLY;BYYEARDAY=1,100,-1",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
    "FREQ=HOURLY;INTERVAL=5",
    "FREQ=HOURLY;BYHOUR=9,10;BYDAY=MO",
    "FREQ=MINUTELY;INTERVAL=90",
    "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
    "FREQ=SECONDLY;INTERVAL=7777",
    "FREQ=DAILY;COUNT=10",
    "FREQ=MONTHLY;COUNT=40;BYMONTHDAY=31",
    "FREQ=WEEKLY;UNTIL=20260601T000000",
]


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=12, deadline=None)
@given(
    start=st.datetimes(YEAR_2024, YEAR_2027).map(lambda at: at.replace(microsecond=0)),
    days=st.integers(-100, 700),
)
def test_rules_as_dateutil_walks_them_from_their_start(rule: str, start: datetime, days: int) -> None:
    theirs = rrulestr(rule, dtstart=start)
    low = start + timedelta(days=days)
    length = 5 if rule.startswith(("FREQ=HOUR", "FREQ=MIN", "FREQ=SEC")) else 1200
    high = low + timedelta(days=length)
    expected = [at.replace(tzinfo=UTC) for at in theirs.between(low, high, inc=True) if at > low]
    try:
        trigger = triggers.build("rrule", {"rule": rule, "dtstart": start})
    except triggers.InvalidTrigger as refusal:
        if "never fire" not in str(refusal) or next(iter(theirs), None):
            raise
        return
    check(trigger, expected, low.replace(tzinfo=UTC), high.replace(tzinfo=UTC))


def test_an_old_rule_costs_no_more_than_a_new_one() -> None:
    """From 1980 on, dateutil would walk through a billion seconds."""
    trigger = triggers.build("rrule", {"rule": "FREQ=SECONDLY;INTERVAL=3", "dtstart": "1980-01-01"})
    assert trigger.next_after(utc("2026-01-01T00:00:01")) == utc("2026-01-01T00:00:03")
    assert trigger.latest(utc("2026-01-01T00:00:05"), START) == utc("2026-01-01T00:00:03")


def test_rules_follow_the_zone_and_take_what_calendars_export() -> None:
    text = (
        "DTSTART;TZID=America/New_York:20260306T023000\nRRULE:FREQ=DAILY;UNTIL=20260312T063000Z\n"
        "EXDATE;TZID=America/New_York:20260310T023000\nRDATE:20260320T120000Z"
    )
    trigger = triggers.build("rrule", {"rule": text}, zone="America/New_York")
    expected = ["06T07:30", "07T07:30", "08T07:00", "09T06:30", "11T06:30", "12T06:30", "20T12:00"]
    check(trigger, [utc(f"2026-03-{text}") for text in expected], START, FAR)
    (spring, _autumn) = triggers.preview_of(trigger, after=START, count=1).clock_changes
    assert spring.effect == "runs_once"


def test_a_rule_without_a_start_counts_from_the_tasks_own() -> None:
    trigger = triggers.build("rrule", {"rule": "FREQ=WEEKLY;INTERVAL=2"}, start_at="2026-01-07 08:00")
    assert trigger.between(START, FAR, 2) == [utc("2026-01-07T08:00"), utc("2026-01-21T08:00")]


SENTENCES = [
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;BYHOUR=9", "Every 2 weeks, on Monday and Friday, at 09:00:00"),
    ("FREQ=MONTHLY;BYDAY=-1FR", "Every month, on the last Friday of the month, at 00:00:00"),
    ("FREQ=YEARLY", "Every year, in January, on day 1 of the month, at 00:00:00"),
    ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;COUNT=3",
     "Every month, on Monday and Tuesday, at 00:00:00, of these only the last one, 3 times in all"),
    ("FREQ=HOURLY;BYMINUTE=0,30", "Every hour, at minute 0 and 30"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "sentence"), SENTENCES)
def test_rules_in_words(rule: str, sentence: str) -> None:
    assert triggers.build("rrule", {"rule": rule, "dtstart": "2026-01-01"}).describe() == sentence


# Combinations

#: Schedules whose times in a week are easily listed.
PARTS = [
    ({"trigger": "cron", "params": {"expression": "0 */6 * * *"}}),
    ({"trigger": "cron", "params": {"expression": "0 0 * * MON-FRI"}}),
    ({"trigger": "cron", "params": {"expression": "30 6 * * *"}}),
    ({"trigger": "interval", "params": {"hours": 9}}),
    ({"trigger": "interval", "params": {"days": 2}}),
    ({"trigger": "date", "params": {"run_dates": ["2026-01-02 06:00", "2026-01-03 00:00"]}}),
]
parts = st.lists(st.sampled_from(PARTS), min_size=2, max_size=3)


def times(part: dict[str, Any], until: datetime) -> set[datetime]:
    return set(triggers.build(part["trigger"], part["params"]).between(START, until, 10_000))


@settings(max_examples=60, deadline=None)
@given(chosen=parts, kind=st.sampled_from(["any_of", "all_of", "except"]))
def test_combinations_are_what_sets_are(chosen: list[dict[str, Any]], kind: str) -> None:
    until = START + timedelta(days=14)
    first, *rest = (times(part, until) for part in chosen)
    if kind == "except":
        params: dict[str, Any] = {"base": chosen[0], "except": chosen[1:]}
        expected = first.difference(*rest)
    else:
        params = {"triggers": chosen}
        expected = first.union(*rest) if kind == "any_of" else first.intersection(*rest)
    try:
        check(triggers.build(kind, params), sorted(expected), START, until)
    except triggers.InvalidTrigger as refusal:
        if "20000 steps" not in str(refusal) or expected:
            raise


def test_combinations_within_combinations() -> None:
    both = {"trigger": "any_of", "params": {"triggers": PARTS[1:3]}}
    trigger = triggers.build(
        "except", {"base": both, "except": [{"trigger": "date", "params": {"run_date": "2026-01-02"}}]}
    )
    assert trigger.between(START, FAR, 3) == [
        utc("2026-01-01T06:30"),
        utc("2026-01-02T06:30"),
        utc("2026-01-03T06:30"),
    ]
    assert trigger.describe() == (
        "Whenever one of these is due: Every day at 00:00:00; Every day at 06:30:00, "
        "except when this is due: Once, on 2026-01-02 at 00:00:00"
    ).replace("Every day at 00:00:00", "At 00:00:00, Monday to Friday")


def test_parts_share_the_zone_and_the_whole_has_the_limits() -> None:
    trigger = triggers.build(
        "any_of",
        {"triggers": [PARTS[2], {"trigger": "interval", "params": {"days": 1}}]},
        zone="Asia/Shanghai",
        start_at="2026-01-05 06:30",
        end_at="2026-01-07 07:00",
    )
    assert trigger.between(START, FAR, 9) == [utc(f"2026-01-0{day}T22:30") for day in (4, 5, 6)]


def test_schedules_that_never_meet_are_not_searched_for_ever() -> None:
    seconds = [{"trigger": "cron", "params": {"expression": f"{n} * * * * *"}} for n in (0, 30)]
    trigger = triggers.build("all_of", {"triggers": seconds})
    with pytest.raises(triggers.InvalidTrigger, match="within 20000 steps"):
        trigger.next_after(START)


def test_manual_has_no_times() -> None:
    trigger = triggers.build("manual", {}, calendar=triggers.CalendarRules(country="CN"), spread_seconds=9)
    shown = triggers.preview_of(trigger, after=START, count=1)
    assert (shown.times, shown.warnings) == ([], [])
    assert shown.description == "Only when somebody asks for it"


# Third-party kinds


class EveryPrime(triggers.Trigger):
    """One of ours, from elsewhere: days of the month that are prime."""

    kind = "prime"
    label = "Prime days"
    keys = ("hour",)
    __slots__ = ("cron",)

    @classmethod
    def from_params(cls, params: Any, terms: triggers.Terms) -> EveryPrime:
        made = cls()
        made.terms = terms
        text = f"0 {params['hour']} 2,3,5,7,11,13,17,19,23,29,31 * *"
        made.cron = triggers.TRIGGERS["cron"].from_params({"expression": text}, terms)
        return made

    def at_or_after(self, instant: datetime) -> datetime | None:
        return self.cron.at_or_after(instant)

    def at_or_before(self, instant: datetime) -> datetime | None:
        return self.cron.at_or_before(instant)

    def describe(self) -> str:
        return "On prime days"


class Fortnight(BaseTrigger):
    """One of APScheduler's kind: its only question is the next time."""

    def __init__(self, weekday: int, timezone: Any = None) -> None:
        if not 0 <= weekday <= 6:
            raise ValueError("weekday")
        self.weekday = weekday
        self.timezone = timezone or UTC

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        day = now.astimezone(self.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
        while day < now or day.weekday() != self.weekday or day.date().toordinal() // 7 % 2:
            day += timedelta(days=1)
        return day

    def __str__(self) -> str:
        return f"fortnight[{self.weekday}]"


@pytest.fixture
def added(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("a_projects_triggers")
    module.EveryPrime, module.Fortnight = EveryPrime, Fortnight  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings.SCHEDULER = settings.SCHEDULER | {
        "triggers": {
            "prime": "a_projects_triggers.EveryPrime",
            "fortnight": "a_projects_triggers.Fortnight",
            "theirs": "apscheduler.triggers.interval.IntervalTrigger",
            "missing": "nowhere.Trigger",
            "wrong": "datetime.datetime",
        }
    }


@pytest.mark.usefixtures("added")
def test_kinds_that_a_project_adds() -> None:
    assert [name for name, _label in triggers.choices()][-5:-2] == ["prime", "fortnight", "theirs"]
    prime = triggers.build("prime", {"hour": 4}, zone="Asia/Shanghai")
    assert prime.between(START, FAR, 2) == [utc("2026-01-01T20:00"), utc("2026-01-02T20:00")]

    fortnight = triggers.build("fortnight", {"weekday": 0}, zone="Asia/Shanghai")
    first, second = fortnight.between(START, FAR, 2)
    assert second - first == timedelta(days=14)
    assert first.astimezone(timezone(timedelta(hours=8))).strftime("%a %H:%M") == "Mon 00:00"
    assert fortnight.latest(second - timedelta(seconds=1), START) == first
    assert fortnight.latest(second, START) == second
    assert fortnight.describe() == "By fortnight[0]"

    theirs = triggers.build("theirs", {"hours": 5, "start_date": "2026-01-01 00:00:00"})
    reference = TheirInterval(hours=5, start_date="2026-01-01 00:00:00", timezone="UTC")
    expected, previous = [], None
    for _step in range(5):
        previous = reference.get_next_fire_time(previous, utc("2026-01-03T01:00"))
        expected.append(previous)
    assert theirs.between(utc("2026-01-03T00:59:59"), FAR, 5) == expected


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize(
    ("kind", "params", "field", "fragment"),
    [
        ("fortnight", {"weekday": 7}, "trigger_params", "ValueError: weekday"),
        ("fortnight", {}, "trigger_params", "weekday"),
        ("fortnight", {"day": 1}, "trigger_params", "Unknown key “day”"),
        ("missing", {}, "trigger", "nowhere.Trigger"),
        ("wrong", {}, "trigger", "no subclass"),
    ],
)
def test_added_kinds_refuse_by_field(kind: str, params: dict[str, object], field: str, fragment: str) -> None:
    with pytest.raises(triggers.InvalidTrigger) as caught:
        triggers.build(kind, params)
    (message,) = caught.value.errors[field]
    assert fragment in message


@pytest.mark.usefixtures("added")
def test_a_check_names_kinds_that_cannot_be_imported() -> None:
    found = [str(problem) for problem in run_checks(tags=["scheduling"]) if problem.id == "scheduling.E011"]
    assert len(found) == 2
    assert "nowhere.Trigger" in found[0]
    assert "no subclass" in found[1]


# Spread


def planned(expression: str, zone: str) -> tuple[list[datetime], datetime, datetime]:
    """The times of a schedule around a window, and the window."""
    hours = timedelta(hours=1 if expression.startswith("*") else 60)
    low, high = START + 2 * hours, START + 6 * hours
    trigger = triggers.build("cron", {"expression": expression}, zone=zone)
    return trigger.between(low - 2 * hours, high, 1_000), low, high


expressions = st.sampled_from(["*/10 * * * *", "0 3 * * *", "* * * * *", "0 9 * * MON", "0 1,2 * * *"])
seconds = st.integers(0, 3600)
keys = st.text(min_size=1, max_size=8)
zone_names = st.sampled_from(["UTC", "America/New_York"])


@settings(max_examples=60, deadline=None)
@given(expression=expressions, most=seconds, key=keys, zone=zone_names)
def test_spread_moves_all_times_alike(expression: str, most: int, key: str, zone: str) -> None:
    nominal, low, high = planned(expression, zone)
    trigger = triggers.build(
        "cron", {"expression": expression}, zone=zone, spread_key=key, spread_seconds=most
    )
    found = trigger.between(low, high, 1_000)
    assert backwards(trigger, high, low) == found
    delays = {at - max(n for n in nominal if n <= at) for at in found} if expression[:2] != "* " else set()
    assert len(delays) <= 1
    assert all(timedelta() <= delay <= timedelta(seconds=most) for delay in delays)


def test_spread_differs_from_task_to_task() -> None:
    def delay(key: str) -> timedelta:
        at = triggers.build("cron", {"hour": 3}, spread_key=key, spread_seconds=600).next_after(START)
        return at - at.replace(hour=3, minute=0, second=0)

    assert len({delay(f"task-{n}") for n in range(50)}) > 40
    text = triggers.build("cron", {"hour": 3}, spread_key="a", spread_seconds=600).describe()
    assert text.startswith("Every day at 03:00:00, always ")
    assert text.endswith(" seconds later")
