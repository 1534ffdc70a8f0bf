"""The quartz dialect against a plain reading of its rules, day by day; and the values that `H` leaves to the key."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling import triggers

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def month(day: date) -> list[date]:
    return [day.replace(day=n) for n in range(1, calendar.monthrange(day.year, day.month)[1] + 1)]


def nearest_workday(days: list[date], wanted: date) -> date:
    """By search: the nearest Monday-to-Friday day of the month, the earlier of two."""
    workdays = [day for day in days if day.isoweekday() <= 5]
    return min(workdays, key=lambda day: (abs(day - wanted), day))


def month_day_matches(term: str, day: date) -> bool:
    days = month(day)
    if term == "LW":
        return day == [each for each in days if each.isoweekday() <= 5][-1]
    if term.startswith("L"):
        back = int(term[2:].rstrip("W") or 0)
        if back >= len(days):
            return False
        wanted = days[-1 - back]
        return day == (nearest_workday(days, wanted) if term.endswith("W") else wanted)
    if term.endswith("W"):
        number = int(term[:-1])
        return number <= len(days) and day == nearest_workday(days, days[number - 1])
    return day.day == int(term)


def weekday_matches(term: str, day: date) -> bool:
    if term == "L":
        return day.isoweekday() == 6
    name, nth = term, ""
    if "#" in term:
        name, _hash, nth = term.partition("#")
    elif term.endswith("L"):
        name, nth = term[:-1], "L"
    number = WEEKDAYS.index(name) if name in WEEKDAYS else int(name) - 1
    same = [each for each in month(day) if each.isoweekday() % 7 == number]
    if not nth:
        return day in same
    return day in (same[-1:] if nth == "L" else same[int(nth) - 1 : int(nth)])


month_days = st.one_of(
    st.integers(1, 31).map(str),
    st.integers(1, 31).map("{}W".format),
    st.sampled_from(["L", "LW"]),
    st.integers(1, 30).map("L-{}".format),
    st.integers(1, 30).map("L-{}W".format),
)
weekday = st.one_of(st.sampled_from(WEEKDAYS), st.integers(1, 7).map(str))
weekdays = st.one_of(
    weekday,
    weekday.map("{}L".format),
    st.just("L"),
    st.tuples(weekday, st.integers(1, 5)).map("{0[0]}#{0[1]}".format),
)
wrapped = st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(1, 4))


def months_of(picked: tuple[int, int, int]) -> tuple[str, set[int]]:
    """A range of months that may go over the year's end, with a step, and the months it means."""
    first, last, step = picked
    members, number = [], first
    while True:
        members.append(number + 1)
        if number == last:
            break
        number = (number + 1) % 12
    return f"{first + 1}-{last + 1}/{step}", set(members[::step])


@settings(max_examples=400, deadline=None)
@given(
    by_week=st.booleans(),
    month_terms=st.lists(month_days, min_size=1, max_size=3),
    week_terms=st.lists(weekdays, min_size=1, max_size=3),
    picked=wrapped,
    start=st.dates(date(2020, 1, 1), date(2034, 12, 31)),
)
def test_days(
    by_week: bool, month_terms: list[str], week_terms: list[str], picked: tuple[int, int, int], start: date
) -> None:
    months_text, months = months_of(picked)
    terms, matches = (week_terms, weekday_matches) if by_week else (month_terms, month_day_matches)
    days = ",".join(terms)
    fields = f"? {months_text} {days}" if by_week else f"{days} {months_text} ?"
    expected = [
        datetime.combine(day, time(10, 15), UTC)
        for day in (start + timedelta(days=n) for n in range(1, 400))
        if day.month in months and any(matches(term, day) for term in terms)
    ]
    try:
        trigger = triggers.build("cron", {"dialect": "quartz", "expression": f"0 15 10 {fields}"})
    except triggers.InvalidTrigger as refusal:
        if "can never fire" not in str(refusal) or expected:
            raise
        return
    low = datetime.combine(start + timedelta(days=1), time(), UTC)
    assert trigger.between(low, low + timedelta(days=399), 500) == expected


NAMED = [
    ({"hour": 3}, "0 0 3 * * ?"),
    ({"day_of_week": "MON", "hour": 3}, "0 0 3 ? * MON"),
    ({"day_of_week": 2}, "0 0 0 ? * 2"),
    ({"day": "LW"}, "0 0 0 LW * ?"),
    ({"day": "?", "day_of_week": "6#3"}, "0 0 0 ? * 6#3"),
    ({"day_of_week": "?", "hour": "22-2"}, "0 0 22-2 * * ?"),
    ({"month": "NOV-FEB"}, "0 0 0 1 NOV-FEB ?"),
    ({"minute": "/20", "year": "2027-2028"}, "0 /20 * * * ? 2027-2028"),
]


@pytest.mark.parametrize(("named", "expression"), NAMED)
def test_named_fields(named: dict[str, object], expression: str) -> None:
    after, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    times = [
        triggers.build("cron", {"dialect": "quartz", **params}).between(after, until, 50)
        for params in (named, {"expression": expression})
    ]
    assert times[0] == times[1]
    assert times[0]


@pytest.mark.parametrize("macro", ["@yearly", "@monthly", "@weekly", "@daily", "@Hourly"])
def test_macros_mean_the_same_in_both_dialects(macro: str) -> None:
    after, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    unix, quartz = (
        triggers.build("cron", {"dialect": dialect, "expression": macro}).between(after, until, 9)
        for dialect in ("unix", "quartz")
    )
    assert unix == quartz


def test_the_same_text_differs_by_dialect() -> None:
    """Never guessed: 2 is Tuesday for unix and Monday for Quartz."""
    after = datetime(2026, 1, 1, tzinfo=UTC)
    unix = triggers.build("cron", {"expression": "0 0 12 * * 2"}).next_after(after)
    quartz = triggers.build("cron", {"dialect": "quartz", "expression": "0 0 12 ? * 2"}).next_after(after)
    assert (unix, quartz) == (datetime(2026, 1, 6, 12, tzinfo=UTC), datetime(2026, 1, 5, 12, tzinfo=UTC))


def minutes(expression: str, key: str, dialect: str = "unix") -> list[int]:
    params = {"expression": expression, "dialect": dialect}
    trigger = triggers.build("cron", params, spread_key=key)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        at.minute for at in trigger.between(begin - timedelta(seconds=1), begin + timedelta(minutes=59), 60)
    ]


@pytest.mark.parametrize("dialect", ["unix", "quartz"])
def test_values_of_the_tasks_own(dialect: str) -> None:
    def write(minute: str) -> str:
        return f"{minute} * * * *" if dialect == "unix" else f"0 {minute} * * * ?"

    keys = [f"task-{number}" for number in range(200)]
    chosen = {key: minutes(write("H"), key, dialect) for key in keys}
    assert all(len(found) == 1 for found in chosen.values())
    assert len({found[0] for found in chosen.values()}) > 40  # spread over the hour
    assert chosen == {key: minutes(write("h"), key, dialect) for key in keys}  # and stable
    assert {minutes(write("H(10-12)"), key, dialect)[0] for key in keys} == {10, 11, 12}
    for key in keys[:20]:
        first, *rest = minutes(write("H/15"), key, dialect)
        assert first < 15
        assert rest == [first + 15, first + 30, first + 45]
        first, *rest = minutes(write("H(0-29)/10"), key, dialect)
        assert first < 10
        assert rest == [first + 10, first + 20]


def test_a_day_of_the_tasks_own_is_one_that_every_month_has() -> None:
    for number in range(100):
        trigger = triggers.build("cron", {"expression": "H H H * *"}, spread_key=f"task-{number}")
        after = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=1)
        assert len(trigger.between(after, datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), 99)) == 12
        weekly = triggers.build("cron", {"expression": "0 0 * * H"}, spread_key=f"task-{number}")
        assert len(weekly.between(after, after + timedelta(days=28), 99)) == 4
