"""Hand-checked days on which clocks changed. Each row was looked up in the zone's published rules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scheduling import triggers


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DEBIAN = ("run_after", "first")
SECOND = ("run_after", "second")
BOTH = ("run_after", "both")
SKIP = ("skip", "first")

# zone, expression, gap, fold, after, until, the occurrences (all in UTC)
DAYS = [
    # New York: 2026-03-08 02:00 EST → 03:00 EDT (07:00Z), 2026-11-01 02:00 EDT → 01:00 EST (06:00Z)
    ("America/New_York", "30 2 * * *", *DEBIAN, "2026-03-08T05", "2026-03-09T05", ["2026-03-08T07:00"]),
    ("America/New_York", "30 2 * * *", *SKIP, "2026-03-08T05", "2026-03-09T05", []),
    # four times of one gap are one run, which is also that of 03:00 itself
    ("America/New_York", "0,20,40 2,3 * * *", *DEBIAN, "2026-03-08T05", "2026-03-08T08",
     ["2026-03-08T07:00", "2026-03-08T07:20", "2026-03-08T07:40"]),
    ("America/New_York", "0 3 * * *", *DEBIAN, "2026-03-08T05", "2026-03-09T05", ["2026-03-08T07:00"]),
    ("America/New_York", "30 1 * * *", *DEBIAN, "2026-11-01T04", "2026-11-02T05", ["2026-11-01T05:30"]),
    ("America/New_York", "30 1 * * *", *SECOND, "2026-11-01T04", "2026-11-02T05", ["2026-11-01T06:30"]),
    ("America/New_York", "30 1 * * *", *BOTH, "2026-11-01T04", "2026-11-02T05",
     ["2026-11-01T05:30", "2026-11-01T06:30"]),
    # 02:00 comes once that day, whatever the policy
    ("America/New_York", "0 2 * * *", *SECOND, "2026-11-01T04", "2026-11-02T05", ["2026-11-01T07:00"]),
    # both passes of an hour, in the order of real time and not of the wall clock
    ("America/New_York", "15,45 1 * * *", *BOTH, "2026-11-01T04", "2026-11-01T08",
     ["2026-11-01T05:15", "2026-11-01T05:45", "2026-11-01T06:15", "2026-11-01T06:45"]),
    # a wildcard hour or minute follows real time
    ("America/New_York", "30 * * * *", *DEBIAN, "2026-03-08T06", "2026-03-08T08",
     ["2026-03-08T06:30", "2026-03-08T07:30"]),
    ("America/New_York", "30 * * * *", *DEBIAN, "2026-11-01T05", "2026-11-01T07",
     ["2026-11-01T05:30", "2026-11-01T06:30"]),
    ("America/New_York", "0 */2 * * *", *DEBIAN, "2026-03-08T04", "2026-03-08T09",
     ["2026-03-08T05:00", "2026-03-08T08:00"]),
    ("America/New_York", "*/30 1 * * *", *DEBIAN, "2026-11-01T04", "2026-11-01T08",
     ["2026-11-01T05:00", "2026-11-01T05:30", "2026-11-01T06:00", "2026-11-01T06:30"]),
    ("America/New_York", "*/30 2 * * *", *DEBIAN, "2026-03-08T04", "2026-03-09T04", []),
    # the Monday after: APScheduler 3.11's CronTrigger has no run on it
    ("America/New_York", "0 0 * * *", *DEBIAN, "2026-03-08T00", "2026-03-10T00",
     ["2026-03-08T05:00", "2026-03-09T04:00"]),
    # Berlin: 2026-03-29 02:00 CET → 03:00 CEST (01:00Z), 2026-10-25 03:00 CEST → 02:00 CET (01:00Z)
    ("Europe/Berlin", "30 2 * * *", *DEBIAN, "2026-03-28T23", "2026-03-29T22", ["2026-03-29T01:00"]),
    ("Europe/Berlin", "30 2 * * *", *SKIP, "2026-03-28T23", "2026-03-29T22", []),
    ("Europe/Berlin", "30 2 * * *", *DEBIAN, "2026-10-24T22", "2026-10-25T23", ["2026-10-25T00:30"]),
    ("Europe/Berlin", "30 2 * * *", *SECOND, "2026-10-24T22", "2026-10-25T23", ["2026-10-25T01:30"]),
    ("Europe/Berlin", "0 0 * * *", *DEBIAN, "2026-03-28T22", "2026-03-30T22",
     ["2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00"]),
    # Lord Howe moves by half an hour: 2026-10-04 02:00 +10:30 → 02:30 +11 (15:30Z the day before),
    # 2026-04-05 02:00 +11 → 01:30 +10:30 (15:00Z the day before)
    ("Australia/Lord_Howe", "15 2 * * *", *DEBIAN, "2026-10-03T14", "2026-10-04T14", ["2026-10-03T15:30"]),
    ("Australia/Lord_Howe", "15 2 * * *", *SKIP, "2026-10-03T14", "2026-10-04T14", []),
    ("Australia/Lord_Howe", "45 2 * * *", *SKIP, "2026-10-03T14", "2026-10-04T14", ["2026-10-03T15:45"]),
    ("Australia/Lord_Howe", "45 1 * * *", *BOTH, "2026-04-04T13", "2026-04-05T13",
     ["2026-04-04T14:45", "2026-04-04T15:15"]),
    ("Australia/Lord_Howe", "15 1 * * *", *BOTH, "2026-04-04T13", "2026-04-05T13", ["2026-04-04T14:15"]),
    ("Australia/Lord_Howe", "0 */2 * * *", *DEBIAN, "2026-04-04T13:30", "2026-04-04T18",
     ["2026-04-04T15:30", "2026-04-04T17:30"]),
    # Santiago: 2026-09-06 00:00 -04 → 01:00 -03 (04:00Z),
    # 2026-04-05 00:00 -03 → 2026-04-04 23:00 -04 (03:00Z)
    ("America/Santiago", "0 0 * * *", *DEBIAN, "2026-09-05T12", "2026-09-06T12", ["2026-09-06T04:00"]),
    ("America/Santiago", "0 0 * * *", *SKIP, "2026-09-05T12", "2026-09-06T12", []),
    ("America/Santiago", "30 0 6 9 *", *DEBIAN, "2026-09-05T12", "2026-09-06T12", ["2026-09-06T04:00"]),
    ("America/Santiago", "30 23 * * SAT", *DEBIAN, "2026-04-04T12", "2026-04-05T12", ["2026-04-05T02:30"]),
    ("America/Santiago", "30 23 * * SAT", *SECOND, "2026-04-04T12", "2026-04-05T12",
     ["2026-04-05T03:30"]),
    ("America/Santiago", "0 0 * * SUN", *SECOND, "2026-04-04T12", "2026-04-05T12", ["2026-04-05T04:00"]),
    # Beirut: 2026-03-29 00:00 +02 → 01:00 +03 (22:00Z the day before),
    # 2026-10-25 00:00 +03 → 24th 23:00 +02 (21:00Z)
    ("Asia/Beirut", "0 0 * * *", *DEBIAN, "2026-03-28T12", "2026-03-29T12", ["2026-03-28T22:00"]),
    ("Asia/Beirut", "0 0 * * SUN", *SKIP, "2026-03-28T12", "2026-03-29T12", []),
    ("Asia/Beirut", "0 23 * * *", *BOTH, "2026-10-24T12", "2026-10-25T12",
     ["2026-10-24T20:00", "2026-10-24T21:00"]),
    # Dublin, whose winter time is the “daylight saving” one in the rules: 2026-03-29 01:00 → 02:00 (01:00Z),
    # 2026-10-25 02:00 → 01:00 (01:00Z)
    ("Europe/Dublin", "30 1 * * *", *DEBIAN, "2026-03-28T23", "2026-03-29T22", ["2026-03-29T01:00"]),
    ("Europe/Dublin", "30 1 * * *", *DEBIAN, "2026-10-24T22", "2026-10-25T22", ["2026-10-25T00:30"]),
    ("Europe/Dublin", "30 1 * * *", *SECOND, "2026-10-24T22", "2026-10-25T22", ["2026-10-25T01:30"]),
    # Samoa had no 30 December 2011: the 29th 23:59:59 -10 was followed
    # by the 31st 00:00 +14 (10:00Z on the 30th)
    ("Pacific/Apia", "0 12 * * *", *DEBIAN, "2011-12-29T12", "2011-12-31T12",
     ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"]),
    ("Pacific/Apia", "0 12 * * *", *SKIP, "2011-12-29T12", "2011-12-31T12",
     ["2011-12-29T22:00", "2011-12-30T22:00"]),
    ("Pacific/Apia", "0 12 30 12 *", *SKIP, "2011-12-01T00", "2012-12-01T00", []),
    ("Pacific/Apia", "0 12 30 12 *", *DEBIAN, "2011-12-01T00", "2012-12-01T00", ["2011-12-30T10:00"]),
    # Pyongyang changed its rules: 2018-05-04 23:30 +08:30 → 2018-05-05 00:00 +09 (15:00Z)
    ("Asia/Pyongyang", "45 23 * * *", *DEBIAN, "2018-05-04T12", "2018-05-05T12", ["2018-05-04T15:00"]),
    # a zone without changes
    ("Asia/Shanghai", "30 2 * * *", *DEBIAN, "2026-03-07T12", "2026-03-09T12",
     ["2026-03-07T18:30", "2026-03-08T18:30"]),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "expression", "gap", "fold", "after", "until", "expected"), DAYS)
def test_the_day(
    zone: str, expression: str, gap: str, fold: str, after: str, until: str, expected: list[str]
) -> None:
    trigger = triggers.build("cron", {"expression": expression}, zone=zone, gap=gap, fold=fold)
    instants = [utc(text) for text in expected]

    assert trigger.between(utc(after), utc(until), 100) == instants
    assert trigger.latest(utc(until), utc(after)) == (instants[-1] if instants else None)


def test_a_schedule_that_only_ever_falls_into_a_gap_ends() -> None:
    """The second Sunday of March at 02:30 does not exist in New York since 2007."""
    trigger = triggers.build("cron", {"expression": "30 2 * 3 SUN#2"}, zone="America/New_York", gap="skip")
    assert trigger.next_after(utc("2026-01-01")) is None
    assert trigger.latest(utc("2026-01-01"), utc("1900-01-01")) == utc("2006-03-12T07:30")


def test_asking_within_an_overlap_for_the_other_pass() -> None:
    """The only matches for a year lie behind on the wall clock, and ahead in real time; and the other way round."""
    trigger = triggers.build("cron", {"expression": "30 1 1 11 *"}, zone="America/New_York", fold="both")
    assert trigger.next_after(utc("2026-11-01T05:45")) == utc("2026-11-01T06:30")
    assert trigger.latest(utc("2026-11-01T06:15"), utc("2020-01-01")) == utc("2026-11-01T05:30")
    once = triggers.build(
        "cron",
        {"year": 2026, "month": 11, "day": 1, "hour": 1, "minute": 30},
        zone="America/New_York",
        fold="both",
    )
    assert once.next_after(utc("2026-11-01T05:45")) == utc("2026-11-01T06:30")
    assert once.next_after(utc("2026-11-01T06:30")) is None
    assert once.latest(utc("2026-11-01T06:15"), utc("2020-01-01")) == utc("2026-11-01T05:30")


def test_asking_within_the_second_pass_never_answers_with_the_past() -> None:
    trigger = triggers.build("cron", {"expression": "*/20 1 * * *"}, zone="Europe/Dublin")
    fixed = triggers.build("cron", {"expression": "0,20,40 1 * * *"}, zone="Europe/Dublin")
    now = utc("2026-10-25T01:05")  # 01:05 for the second time
    assert trigger.next_after(now) == utc("2026-10-25T01:20")
    assert fixed.next_after(now) == utc("2026-10-26T01:00")
