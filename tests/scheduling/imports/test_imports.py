"""Schedules of other programs, from files and databases that those programs made themselves."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from celery.schedules import crontab as their_crontab
from django.core.management import CommandError, call_command
from django_apscheduler.jobstores import DjangoJobStore

from scheduling import clock as clocks
from scheduling.exceptions import InvalidTrigger
from scheduling.models import Task
from scheduling.services import imports
from scheduling.services.imports import celery_beat, pickles
from scheduling.tasks import noop
from tests.conftest import TESTER, new_task

HERE = Path(__file__).parent
pytestmark = pytest.mark.django_db

CRONTAB = """\
# m h dom mon dow command
SHELL=/bin/sh
CRON_TZ="Asia/Shanghai"
0 3 * * * /usr/bin/backup --all
*/5 * * * * /opt/check
30 2 * * * LANG=C /opt/check again
CRON_TZ=America/New_York
30 2 1,15 * 5 /opt/both  # either day is enough
@daily /opt/daily 50%
@reboot /opt/never
61 * * * * /opt/wrong
0 0 30 2 * /opt/impossible
"""


def database(folder: Path, name: str) -> str:
    """A database file out of what the source package wrote."""
    path = folder / f"{name}.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript((HERE / f"{name}.sql").read_text())
    connection.close()
    return str(path)


def imported(*arguments: str) -> dict[str, Any]:
    """What the command says of each entry."""
    output = StringIO()
    call_command("import_tasks", *arguments, "--json", stdout=output)
    rows = [json.loads(line) for line in output.getvalue().splitlines()]
    return {row["key"]: row for row in rows}


def differences(row: dict[str, Any]) -> tuple[list[str], list[str]]:
    return row["compared"]["only_there"], row["compared"]["only_here"]


def test_a_crontab(clock: clocks.SettableClock, tmp_path: Path) -> None:
    file = tmp_path / "crontab"
    file.write_text(CRONTAB)
    arguments = (
        "crontab",
        str(file),
        "--function",
        "append_line",
        "--parameter",
        "path",
        "--timezone",
        "UTC",
    )
    rows = imported(*arguments)
    assert list(rows) == ["backup", "check", "check-2", "both", "daily", "never", "wrong", "impossible"]
    for key in ("backup", "check", "check-2", "both", "daily"):
        assert differences(rows[key]) == ([], [])
        assert rows[key]["problems"] == []
    assert rows["backup"]["compared"]["same"] == 366
    assert rows["check"]["compared"]["same"] == 20_000
    assert (rows["backup"]["time_zone"], rows["both"]["time_zone"]) == ("Asia/Shanghai", "America/New_York")
    assert "%" in rows["daily"]["notes"][0]
    for key, fragment in (("never", "@reboot"), ("wrong", "“61”"), ("impossible", "can never fire")):
        assert fragment in rows[key]["problems"][0]
    assert not Task.objects.exists()  # asked only

    rows = imported(*arguments, "--write")
    assert [key for key, row in rows.items() if row["written"]] == [
        "backup",
        "check",
        "check-2",
        "both",
        "daily",
    ]
    task = Task.objects.get(key="both")
    assert task.parameters == {"path": "/opt/both  # either day is enough"}
    assert imported(*arguments, "--write")["both"]["refused"]  # the key is taken
    output = StringIO()
    call_command("import_tasks", *arguments, stdout=output)
    assert "8 entries: 0 with other times here, 3 with problems, 0 written." in output.getvalue()


SYSTEM_CRONTAB = """\
SHELL=/bin/bash
PATH=/usr/bin:/bin
MAILTO="ops@example.com, dba@example.com"
17 * * * * root cd / && run-parts --report /etc/cron.hourly
TZ=Asia/Tokyo
CRON_TZ=Asia/Shanghai
0 3 * * * postgres psql -c 'SELECT 100 \\% 7'%SELECT 1;%SELECT 2;
MAILTO=root
MAILTO=""
SHELL=/bin/sh
@reboot root /opt/never
0 4 * * * root
"""


def test_each_line_becomes_a_command_of_its_own(
    clock: clocks.SettableClock, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in /etc/crontab: users, shell, variables, zone, mail and input; where commands are off it is said before."""
    file = tmp_path / "crontab"
    file.write_text(SYSTEM_CRONTAB)
    arguments = ("crontab", str(file), "--users", "--timezone", "UTC")
    settings.JOBSITE_ALLOW_COMMANDS = False
    rows = imported(*arguments, "--write")
    assert all("JOBSITE_ALLOW_COMMANDS" in " ".join(row["problems"]) for row in rows.values())
    assert all("--function" in " ".join(row["problems"]) for row in rows.values())
    assert differences(rows["psql"]) == ([], [])  # the report is there all the same
    assert not Task.objects.exists()

    settings.JOBSITE_ALLOW_COMMANDS = True
    rows = imported(*arguments, "--write")
    assert {key: row["written"] for key, row in rows.items()} == {
        "cd": True, "psql": True, "never": False, "cron": False,
    }  # fmt: skip
    assert "@reboot" in rows["never"]["problems"][0]
    assert "no command" in " ".join(rows["cron"]["problems"])
    hourly, psql = Task.objects.get(key="cd"), Task.objects.get(key="psql")
    assert (hourly.function, hourly.executor, hourly.time_zone) == ("run_command", "command", "UTC")
    assert hourly.parameters == {
        "command": ["/bin/bash", "-c", "cd / && run-parts --report /etc/cron.hourly"],
        "environment": {"PATH": "/usr/bin:/bin"},
    }
    assert hourly.notify_on_failure == ["ops@example.com", "dba@example.com"]
    assert any("as the user root" in text for text in rows["cd"]["notes"])
    assert psql.time_zone == "Asia/Shanghai"  # TZ is the command's alone
    assert psql.parameters["environment"] == {"PATH": "/usr/bin:/bin", "TZ": "Asia/Tokyo"}
    script = "{ psql -c 'SELECT 100 % 7'\n} <<'INPUT'\nSELECT 1;\nSELECT 2;\nINPUT"
    assert psql.parameters["command"] == ["/bin/bash", "-c", script]
    assert rows["psql"]["compared"]["same"] == 366
    # Where the file is one of the system's, its lines have users without being told.
    monkeypatch.setattr("scheduling.management.commands.import_tasks.SYSTEM_FILE", file)
    assert list(imported("crontab", str(file))) == list(rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat%one%two", "one\ntwo\n"),
        ("cat; echo end%INPUT%$HOME", "INPUT\n$HOME\nend\n"),
        ("echo 5\\%", "5%\n"),
        ("cat # why%x", "x\n"),
    ],
)
def test_the_shell_reads_what_cron_would_give_it(text: str, expected: str, settings: Any) -> None:
    settings.JOBSITE_ALLOW_COMMANDS = True
    (found,) = imports.from_crontab(f"0 0 * * * {text}", zone="UTC")
    said = subprocess.run(found.values["parameters"]["command"], capture_output=True, text=True, check=True)
    assert said.stdout == expected


def test_celery_beat(clock: clocks.SettableClock, tmp_path: Path) -> None:
    rows = imported("celery-beat", database(tmp_path, "celery_beat"), "--timezone", "UTC", "--write")
    for key in ("nightly-sync", "weekend-wrap", "friday-the-13th", "at-half-past-two", "echo", "clocked"):
        assert rows[key]["problems"] == [], key
        assert rows[key]["written"], key
        if key == "echo":  # disabled: Celery has forgotten its last run, and with it what it would count from
            assert rows[key]["compared"] is None
        else:
            assert differences(rows[key]) == ([], []), key
    assert rows["nightly-sync"]["compared"]["same"] == 366
    friday = Task.objects.get(key="friday-the-13th")
    assert friday.trigger == "all_of"  # Celery wants both days to match
    assert friday.build_trigger().next_after(clock.now()) == datetime(2026, 11, 13, 7, 30, tzinfo=UTC)
    assert Task.objects.get(key="weekend-wrap").trigger_params["expression"] == "*/30 0,1,2,22,23 * * 0,1,5,6"
    echo = Task.objects.get(key="echo")
    assert (echo.enabled, echo.parameters, echo.trigger_params) == (
        False,
        {"values": [1, 2]},
        {"minutes": 10},
    )
    assert Task.objects.get(key="clocked").max_runs == 1
    for key, fragment in (
        ("with-arguments", "positional"),
        ("sunrise", "sunrise"),
        ("unknown", "app.tasks.gone"),
    ):
        assert any(fragment in text for text in rows[key]["problems"]), key
        assert not rows[key]["written"]
    assert "microseconds" in " ".join(rows["unknown"]["problems"])


@pytest.mark.parametrize(
    "fields",
    [
        {"minute": "*/7", "hour": "22-2", "day_of_week": "fri-mon"},
        {"minute": "5-55/10,0", "hour": "*/5", "day_of_month": "28-3", "month_of_year": "nov-feb"},
        {"minute": "59", "day_of_week": "sun,1-3", "day_of_month": "*/9"},
    ],
)
def test_fields_as_celery_reads_them(fields: dict[str, str]) -> None:
    theirs = their_crontab(**fields)
    for name in celery_beat.FIELDS:
        assert celery_beat._members(name, fields.get(name, "*")) == set(getattr(theirs, name)), name


def test_apscheduler(clock: clocks.SettableClock, tmp_path: Path) -> None:
    rows = imported("apscheduler", database(tmp_path, "apscheduler"), "--write")
    alike = ("daily", "weekdays", "numbers", "third-friday", "last-day", "both", "interval", "once", "either")
    for key in alike:
        assert rows[key]["problems"] == [], key
        assert differences(rows[key]) == ([], []), key
        assert rows[key]["written"], key
    # What APScheduler 3.11 loses: the midnight after the clock has been put forward.
    assert differences(rows["new-york-midnight"]) == ([], ["2027-03-15T04:00:00+00:00"])
    daily, numbers = Task.objects.get(key="daily"), Task.objects.get(key="numbers")
    assert (daily.time_zone, daily.misfire_policy, daily.misfire_grace_seconds) == (
        "Asia/Shanghai",
        "skip",
        300,
    )
    assert numbers.trigger_params["day_of_week"] == "MON,SUN"  # there Monday is 0
    assert numbers.misfire_policy == "run_all"
    assert Task.objects.get(key="third-friday").trigger_params["day_of_week"] == "FRI#3,MONL"
    assert Task.objects.get(key="weekdays").jitter_seconds == 30
    assert Task.objects.get(key="once").parameters == {"values": [1, 2]}
    assert "weeks of the year" in rows["week"]["problems"][0]
    assert "app_tasks:gone" in rows["unknown-function"]["problems"][0]
    assert "collections.OrderedDict" in rows["strange-argument"]["problems"][0]
    mapped = imported("apscheduler", str(tmp_path / "apscheduler.sqlite3"),
                      "--map", "app_tasks:gone=noop")  # fmt: skip
    assert mapped["unknown-function"]["problems"] == []


def test_django_apscheduler_beside_our_own_live_rows(clock: clocks.SettableClock) -> None:
    from scheduling.services import tasks

    tasks.create(new_task("ours"), actor=TESTER)
    store = DjangoJobStore()
    scheduler = BackgroundScheduler(timezone="UTC")
    job = Job(
        scheduler, id="theirs", func=noop, trigger=CronTrigger(hour=3, timezone="UTC"), executor="default",
        args=(), kwargs={}, name="Theirs", misfire_grace_time=1, coalesce=True, max_instances=2,
        next_run_time=clock.now(),
    )  # fmt: skip
    store._scheduler = scheduler
    store.add_job(job)
    rows = imported("django-apscheduler", "default", "--write")
    assert list(rows) == ["theirs"]
    assert differences(rows["theirs"]) == ([], [])
    task = Task.objects.get(key="theirs")
    assert (task.name, task.max_concurrent, task.misfire_grace_seconds) == ("Theirs", 2, 1)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("/tmp/jobsite-was-here",)


class EvilAttribute:
    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (str, "format")


class EvilZone:
    def __reduce__(self) -> tuple[Any, ...]:
        from zoneinfo import ZoneInfo

        return ZoneInfo, ("../../../etc/passwd",)


@pytest.mark.parametrize(
    "content", [Evil(), EvilAttribute(), EvilZone(), datetime.now, timedelta.max.__class__.__init__]
)
def test_nothing_of_theirs_is_run(content: Any) -> None:
    with pytest.raises(InvalidTrigger):
        pickles.read(pickle.dumps({"trigger": content}))
    assert not Path("/tmp/jobsite-was-here").exists()


def test_broken_pickles() -> None:
    good = pickle.dumps({"trigger": IntervalTrigger(hours=1, timezone="UTC")})
    assert isinstance(pickles.read(good)["trigger"], IntervalTrigger)
    for data in (b"", b"x", good[:-5], pickle.dumps([1]), b"\x80\x05" + b"." * 3, b"0" * 2_000_000):
        with pytest.raises(InvalidTrigger):
            pickles.read(data)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("crontab", "/nowhere", "--function", "noop"), "/nowhere"),
        (("crontab", "/nowhere"), "/nowhere"),
        (("celery-beat", "/nowhere.db"), "/nowhere.db"),
        (("celery-beat", "default"), "django_celery_beat_periodictask"),
        (("apscheduler", "default"), "apscheduler_jobs"),
        (("apscheduler", "oracle://x/y"), "oracle"),
        (("apscheduler", "default", "--map", "x"), "THERE=HERE"),
    ],
)
def test_refused(arguments: tuple[str, ...], fragment: str) -> None:
    with pytest.raises(CommandError, match=fragment):
        call_command("import_tasks", *arguments)
