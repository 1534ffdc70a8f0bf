"""What a person sees of a schedule: sentence, next times, warnings, clock changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from scheduling import triggers

SENTENCES = [
    ("0 3 * * *", "Every day at 03:00:00"),
    ("30 0 3 * * *", "Every day at 03:00:30"),
    ("0 3,15 * * *", "Every day at 03:00:00 and 15:00:00"),
    ("0,30 * * * MON-FRI", "At minute 0 and 30 of every hour, Monday to Friday"),
    ("* * * * *", "Every minute"),
    ("*/5 * * * *", "Every 5 minutes"),
    ("0,5,10,15,20,25,30,35,40,45,50,55 * * * *", "Every 5 minutes"),
    ("* * * * * *", "Every second"),
    ("*/10 * * * * *", "Every 10 seconds"),
    ("5 * * * * *", "At second 5 of every minute"),
    ("15 30 * * * *", "At second 15 of minute 30 of every hour"),
    ("*/7 * * * *", "At minute 0, 7, 14 … 56 of every hour"),
    ("0 * * * *", "At minute 0 of every hour"),
    ("0 */2 * * *", "At minute 0, every 2 hours"),
    ("*/5 9-17 * * 1-5", "Every 5 minutes, from 09:00 to 17:59, Monday to Friday"),
    ("*/15 2,14 * * *", "Every 15 minutes, in the hours 2 and 14"),
    ("0 0 1 * *", "At 00:00:00, on day 1 of the month"),
    ("0 0 1,15 * *", "At 00:00:00, on day 1 and 15 of the month"),
    ("0 0 1-7 * *", "At 00:00:00, on day 1 to 7 of the month"),
    ("0 0 1 1 *", "At 00:00:00, on day 1 of the month, in January"),
    ("0 0 L 3-5,12 *", "At 00:00:00, on the last day of the month, in March to May and December"),
    ("0 0 LW * *", "At 00:00:00, on the last Monday-to-Friday day of the month"),
    ("0 9 * * 0", "At 09:00:00, on Sunday"),
    ("0 9 * * 6,0", "At 09:00:00, on Saturday and Sunday"),
    ("0 9 * * 0-7", "Every day at 09:00:00"),
    ("0 9 * * FRI#3", "At 09:00:00, on the third Friday of the month"),
    ("0 9 * * MONL", "At 09:00:00, on the last Monday of the month"),
    ("30 4 1,15 * 5", "At 04:30:00, on day 1 and 15 of the month, or on Friday"),
    ("30 4 1 */1 */7", "At 04:30:00, on day 1 of the month if that is also on Sunday"),
    ("30 4 1-31 * 5", "Every day at 04:30:00"),
]


def preview(
    kind: str, params: dict[str, object], *, after: datetime, count: int = 10, **terms: Any
) -> triggers.Preview:
    return triggers.preview_of(triggers.build(kind, params, **terms), after=after, count=count)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("expression", "sentence"), SENTENCES)
def test_sentence(expression: str, sentence: str) -> None:
    assert triggers.build("cron", {"expression": expression}).describe() == sentence


def test_sentence_with_years() -> None:
    trigger = triggers.build("cron", {"year": "2030-2032", "month": 5, "day": 1, "hour": 3})
    assert trigger.describe() == "At 03:00:00, on day 1 of the month, in May, in the years 2030 to 2032"


WARNINGS = [
    ("0 3 * * *", ""),
    ("0 0 29 2 *", "29 February only"),
    ("0 0 31 * *", "without a day 31"),
    ("0 0 30,31 * *", "without a day 30"),
    ("0 0 31 1,3 *", ""),
    ("0 0 1 * FRI", "matches one is enough"),
    ("0 0 */2 * FRI", "Saturday or Sunday"),
    ("* 3 * * *", "every minute of the hours"),
    ("*/7 * * * *", "60 is no multiple of 7; the step from 56 to 0"),
    ("0 */5 * * *", "24 is no multiple of 5; the step from 20 to 0"),
    ("0,1,2 3 * * *", ""),
]


@pytest.mark.parametrize(("expression", "fragment"), WARNINGS)
def test_warning(expression: str, fragment: str) -> None:
    warnings = triggers.build("cron", {"expression": expression}).warnings()
    if fragment:
        (warning,) = warnings
        assert fragment in warning
    else:
        assert warnings == []


@pytest.mark.parametrize(
    ("expression", "never"),
    [("0 9 * * MON-FRI", True), ("0 9 LW * *", False), ("0 9 * * 1,6", False), ("0 9 * * FRI#3,MONL", True)],
)
def test_never_at_weekends(expression: str, never: bool) -> None:
    found = triggers.build("cron", {"expression": expression}).warnings()
    assert ("Never runs on a Saturday or Sunday." in found) is never


def test_warnings_of_a_combination_say_of_what_they_hold() -> None:
    """One part that keeps to weekdays does not keep the whole from running at weekends."""
    never = "Never runs on a Saturday or Sunday."
    daily, first, second = (
        {"trigger": "cron", "params": {"expression": text}}
        for text in ("0 9 * * *", "0 18 * * MON-FRI", "30 18 * * MON")
    )

    def warnings(kind: str, **params: Any) -> list[str]:
        return triggers.build(kind, params).warnings()

    assert warnings("any_of", triggers=[daily, first]) == [f"At 18:00:00, Monday to Friday: {never}"]
    assert warnings("any_of", triggers=[first, second]) == [never]
    assert warnings("all_of", triggers=[daily, first]) == [never]
    assert warnings("all_of", triggers=[first, second]) == [never]
    assert warnings("except", **{"base": daily, "except": [first]}) == []
    assert warnings("except", **{"base": first, "except": [daily]}) == [never]


def test_runs_that_come_very_fast() -> None:
    def warnings(kind: str, params: dict[str, object]) -> list[str]:
        return preview(kind, params, after=utc("2026-01-01"), count=5).warnings

    assert warnings("cron", {"expression": "* * * * * *"}) == ["Runs every second: 86,400 times a day."]
    assert warnings("cron", {"expression": "*/2 * * * * *"}) == []
    half = {"trigger": "date", "params": {"run_dates": ["2027-01-01 00:00:00.5"]}}
    both = {"triggers": [{"trigger": "date", "params": {"run_date": "2027-01-01"}}, half]}
    assert warnings("any_of", both) == ["Runs more than once a second."]


def test_preview() -> None:
    shown = preview(
        "cron", {"expression": "30 2 * * *"}, zone="America/New_York", after=utc("2026-03-07T12:00"), count=3
    )
    assert shown.times == [utc("2026-03-08T07:00"), utc("2026-03-09T06:30"), utc("2026-03-10T06:30")]
    assert shown.description == "Every day at 02:30:00"
    assert shown.warnings == []
    gap, overlap = shown.clock_changes
    assert (gap.at, gap.kind, gap.effect) == (utc("2026-03-08T07:00"), "gap", "runs_once")
    assert (gap.before.isoformat(), gap.after.isoformat()) == ("2026-03-08T02:00:00", "2026-03-08T03:00:00")
    assert gap.text == "02:30:00 does not exist on this day: runs once, at 03:00:00."
    assert (overlap.at, overlap.kind, overlap.effect) == (utc("2026-11-01T06:00"), "overlap", "unaffected")


EFFECTS = [
    ("30 2 * * *", "run_after", "first", "runs_once", "unaffected"),
    ("30 2 * * *", "skip", "first", "skipped", "unaffected"),
    ("30 1 * * *", "skip", "first", "unaffected", "runs_once"),
    ("30 1 * * *", "skip", "second", "unaffected", "runs_once"),
    ("30 1 * * *", "skip", "both", "unaffected", "runs_twice"),
    ("30 * * * *", "run_after", "first", "unaffected", "unaffected"),
    ("0 */2 * * *", "run_after", "first", "skipped", "unaffected"),
    ("*/30 1 * * *", "run_after", "first", "unaffected", "runs_twice"),
    ("30 2 * 12 *", "run_after", "first", "unaffected", "unaffected"),
]


@pytest.mark.parametrize(("expression", "gap", "fold", "in_spring", "in_autumn"), EFFECTS)
def test_effects(expression: str, gap: str, fold: str, in_spring: str, in_autumn: str) -> None:
    shown = preview(
        "cron",
        {"expression": expression},
        zone="America/New_York",
        gap=gap,
        fold=fold,
        after=utc("2026-01-01"),
        count=1,
    )
    assert [change.effect for change in shown.clock_changes] == [in_spring, in_autumn]


def test_interval_shifts_by_the_wall_clock() -> None:
    after = utc("2026-01-01")
    daily = preview("interval", {"days": 1}, zone="Europe/Berlin", after=after, count=1)
    assert [change.effect for change in daily.clock_changes] == ["shifts", "shifts"]
    often = preview("interval", {"minutes": 10}, zone="Europe/Berlin", after=after, count=1)
    assert [change.effect for change in often.clock_changes] == ["unaffected", "unaffected"]


def test_zone_without_changes() -> None:
    shown = preview("cron", {"hour": 3}, zone="Asia/Shanghai", after=utc("2026-01-01"), count=0)
    assert shown.clock_changes == []
    assert shown.times == []
    assert shown.warnings == []


def test_a_schedule_that_has_ended_says_so() -> None:
    shown = preview("date", {"run_date": "2020-01-01"}, after=utc("2026-01-01"))
    assert shown.times == []
    assert shown.warnings == ["There is no further run."]


def test_preview_and_trigger_agree() -> None:
    params = {"expression": "*/7 1-4 * * *"}
    after = utc("2026-10-31")
    shown = preview("cron", params, zone="America/New_York", after=after, count=200)
    trigger = triggers.build("cron", params, zone="America/New_York")
    assert shown.times == trigger.between(after, utc("2030-01-01"), 200)


def test_kinds_are_offered_to_model_fields() -> None:
    offered = dict(triggers.choices())
    assert list(offered) == ["cron", "interval", "date", "rrule", "any_of", "all_of", "except", "manual"]
    assert all(str(label) for label in offered.values())
    for kind, trigger in triggers.TRIGGERS.items():
        assert trigger.kind == kind
        assert trigger.keys or not trigger.timed
