"""What is refused: (kind, parameters, terms) → the field, and what the message must say."""

from __future__ import annotations

from typing import Any

import pytest

from scheduling import triggers
from scheduling.exceptions import InvalidTrigger


def expression(text: object) -> dict[str, object]:
    return {"expression": text}


CRON = [
    # the field, the token, what is allowed
    ("60 * * * *", ["minute", "“60”", "0–59"]),
    ("* 24 * * *", ["hour", "“24”", "0–23"]),
    ("* * 0 * *", ["day", "“0”", "1–31"]),
    ("* * 32 * *", ["day", "“32”", "1–31", "L (last day)"]),
    ("* * * 13 *", ["month", "“13”", "1–12", "JAN–DEC"]),
    ("* * * 0 *", ["month", "“0”"]),
    ("* * * foo *", ["month", "“FOO”", "JAN–DEC"]),
    ("* * * * 8", ["day_of_week", "“8”", "0–7", "SUN–SAT"]),
    ("* * * * monday", ["day_of_week", "“MONDAY”", "SUN–SAT"]),
    ("* * * * MON#6", ["day_of_week", "“MON#6”", "1 to 5", "FRI#3"]),
    ("* * * * MON#0", ["day_of_week", "“MON#0”", "1 to 5"]),
    ("* * * * #3", ["day_of_week", "“#3”"]),
    ("* * * * 1-5#2", ["day_of_week", "“1-5#2”"]),
    ("* * * * L", ["day_of_week", "“L”", "FRIL"]),
    ("* * * * 9L", ["day_of_week", "“9L”"]),
    ("* * * * FRI-MON", ["day_of_week", "“FRI-MON”", "ends before it begins"]),
    ("* 22-2 * * *", ["hour", "“22-2”", "ends before it begins"]),
    ("60 0 * * * *", ["second", "“60”", "0–59"]),
    ("*/0 * * * *", ["minute", "“*/0”", "1 to 60"]),
    ("*/61 * * * *", ["minute", "“*/61”", "1 to 60"]),
    ("*/x * * * *", ["minute", "“*/X”"]),
    ("*/ * * * *", ["minute", "“*/”"]),
    ("1//2 * * * *", ["minute", "“1//2”"]),
    ("1,,2 * * * *", ["minute", "“1,,2”", "empty"]),
    (", * * * *", ["minute", "empty"]),
    ("-5 * * * *", ["minute", "“-5”"]),
    ("5- * * * *", ["minute", "“5-”"]),
    ("1-2-3 * * * *", ["minute", "“1-2-3”"]),
    ("1.5 * * * *", ["minute", "“1.5”"]),
    ("٣ * * * *", ["minute", "“٣”"]),
    ("² * * * *", ["minute", "“²”"]),
    ("+5 * * * *", ["minute", "“+5”"]),
    ("1_0 * * * *", ["minute", "“1_0”"]),
    ("? * * * *", ["minute", "“?”"]),
    ("0 0 ? * MON", ["day", "“?”", "quartz"]),
    ("0 0 32W * *", ["day", "“32W”", "15W"]),
    ("0 0 L-31 * *", ["day", "“L-31”", "1 to 30"]),
    ("0 0 L/2 * *", ["day", "“L/2”"]),
    ("L * * * *", ["minute", "“L”"]),
    ("99999999999999999999 * * * *", ["minute"]),
    ("* * * *", ["4 fields;", "5 (minute", "or 6"]),
    ("* * * * * * *", ["7 fields", "5", "6"]),
    ("*", ["1 field;"]),
    ("", ["empty"]),
    ("   ", ["empty"]),
    ("@reboot", ["@reboot", "several scheduler processes", "@daily"]),
    ("@dayly", ["@dayly", "Did you mean “@daily”", "@hourly"]),
    ("@every 5m", ["@every 5m", "@hourly"]),
    ("0 0 30 2 *", ["can never fire"]),
    ("0 0 31 2,4,6,9,11 *", ["can never fire"]),
    ("0 0 */40 * *", ["day", "“*/40”"]),
    ("0 0 30 2 */2", ["can never fire"]),
    ("\0 * * * *", ["cannot be printed", "\\x00"]),
    ("* * * * *\x1b[31m", ["cannot be printed"]),
    ("*" * 10_000, ["10000 characters", "1000"]),
    ("1," * 499 + "1 * * * *", ["1007 characters", "1000"]),
    (5, ["expression", "5"]),
    (True, ["expression", "true"]),
    (["* * * * *"], ["expression", "type list"]),
    (10**5000, ["expression", "bits"]),
]


QUARTZ = [
    ("60 * * * * ?", ["second", "“60”", "0–59"]),
    ("0 60 * * * ?", ["minute", "“60”", "0–59"]),
    ("0 0 24 * * ?", ["hour", "“24”", "0–23"]),
    ("0 0 0 0 * ?", ["day", "“0”", "1–31"]),
    ("0 0 0 32 * ?", ["day", "“32”", "1–31"]),
    ("0 0 0 32W * ?", ["day", "“32W”", "1–31", "15W"]),
    ("0 0 0 0W * ?", ["day", "“0W”", "1–31"]),
    ("0 0 0 W * ?", ["day", "“W”", "15W"]),
    ("0 0 0 WL * ?", ["day", "“WL”", "LW"]),
    ("0 0 0 1-15W * ?", ["day", "“15W”", "15W"]),
    ("0 0 0 */2W * ?", ["day", "“*/2W”", "1 to 31"]),
    ("0 0 0 L-0 * ?", ["day", "“L-0”", "1 to 30"]),
    ("0 0 0 L-31 * ?", ["day", "“L-31”", "1 to 30"]),
    ("0 0 0 L-31W * ?", ["day", "“L-31W”", "1 to 30"]),
    ("0 0 0 L-W * ?", ["day", "“L-W”", "L-3"]),
    ("0 0 0 LW-2 * ?", ["day", "“LW-2”", "L-3"]),
    ("0 0 0 5L * ?", ["day", "“5L”", "L-3"]),
    ("0 0 0 5C * ?", ["day", "“5C”", "1–31"]),
    ("0 0 0 1 13 ?", ["month", "“13”", "1–12", "JAN–DEC"]),
    ("0 0 0 1 0 ?", ["month", "“0”", "1–12"]),
    ("0 0 0 1 JUL/3 ?", ["month", "“JUL/3”", "2-6/2"]),
    ("0 0 0 1 L ?", ["month", "“L”", "1–12"]),
    ("0 0 0 ? * 0", ["day_of_week", "“0”", "1–7", "1 is Sunday"]),
    ("0 0 0 ? * 8", ["day_of_week", "“8”", "1–7"]),
    ("0 0 0 ? * 6#6", ["day_of_week", "“6#6”", "1 to 5"]),
    ("0 0 0 ? * 6#0", ["day_of_week", "“6#0”", "1 to 5"]),
    ("0 0 0 ? * MON#", ["day_of_week", "“MON#”", "1 to 5"]),
    ("0 0 0 ? * 8#1", ["day_of_week", "“8#1”", "1–7"]),
    ("0 0 0 ? * 8L", ["day_of_week", "“8L”", "1–7"]),
    ("0 0 0 ? * MONDAY", ["day_of_week", "“MONDAY”", "SUN–SAT"]),
    ("0 0 0 ? * LW", ["day_of_week", "“LW”", "FRIL"]),
    ("0 0 0 ? * MON/2", ["day_of_week", "“MON/2”", "2-6/2"]),
    ("0 */0 * * * ?", ["minute", "“*/0”", "1 to 59"]),
    ("0 0/60 * * * ?", ["minute", "“0/60”", "1 to 59"]),
    ("0 0 0/24 * * ?", ["hour", "“0/24”", "1 to 23"]),
    ("0 0 0 1/32 * ?", ["day", "“1/32”", "1 to 31"]),
    ("0 / * * * ?", ["minute", "“/”", "1 to 59"]),
    ("0 0 ? * * ?", ["hour", "“?”", "0–23"]),
    ("0 0 12 * * *", ["day “*”", "day_of_week “*”", "?"]),
    ("0 0 12 15 * MON", ["day “15”", "day_of_week “MON”", "?"]),
    ("0 0 12 ? * ?", ["day “?”", "day_of_week “?”", "only one"]),
    ("0 0 12 ?,1 * ?", ["day", "“?”"]),
    ("0 0 12 * *", ["5 fields", "6 (second", "7 (year"]),
    ("0 0 12 * * ? * *", ["8 fields", "6 (second", "7 (year"]),
    ("12", ["1 field;", "6 (second"]),
    ("0 0 12 * * ? 1969", ["year", "“1969”", "1970–2099"]),
    ("0 0 12 * * ? 2100", ["year", "“2100”", "1970–2099"]),
    ("0 0 12 * * ? 2030-2027", ["year", "“2030-2027”", "ends before it begins"]),
    ("0 0 12 * * ? ?", ["year", "“?”", "1970–2099"]),
    ("0 0 0 30 2 ?", ["can never fire"]),
    ("0 0 0 29 2 ? 2027", ["can never fire"]),
    ("0 0 0 L-30 2 ?", ["can never fire"]),
    ("0 0 0 31W 2,4,6,9,11 ?", ["can never fire"]),
    ("0 0 0 ? 2 MON#5 2027", ["can never fire"]),
    ("0 H(5-1) * * * ?", ["minute", "“H(5-1)”", "ends before it begins"]),
    ("0 H(0-60) * * * ?", ["minute", "“60”", "0–59"]),
    ("0 H/0 * * * ?", ["minute", "“H/0”", "1 to 59"]),
    ("0 H-5 * * * ?", ["minute", "“H-5”", "H(1-3)"]),
    ("0 HH * * * ?", ["minute", "“HH”", "H(1-3)"]),
    ("0 0 12 * * ? H", ["year", "“H”", "1970–2099"]),
    ("@dayly", ["@dayly", "@daily"]),
    ("@reboot", ["@reboot", "@daily"]),
    ("", ["empty"]),
]


@pytest.mark.parametrize(("text", "fragments"), QUARTZ)
def test_quartz(text: str, fragments: list[str]) -> None:
    with pytest.raises(InvalidTrigger) as caught:
        triggers.build("cron", {"dialect": "quartz", "expression": text})
    (message,) = caught.value.errors["trigger_params"]
    assert [fragment for fragment in fragments if fragment not in message] == []
    assert len(message) < 400


@pytest.mark.parametrize(("text", "fragments"), CRON, ids=range(len(CRON)))
def test_expression(text: object, fragments: list[str]) -> None:
    with pytest.raises(InvalidTrigger) as caught:
        triggers.build("cron", expression(text))
    assert list(caught.value.errors) == ["trigger_params"]
    (message,) = caught.value.errors["trigger_params"]
    assert [fragment for fragment in fragments if fragment not in message] == []
    assert len(message) < 400
    assert message.isprintable()


BUILD: list[tuple[str, Any, dict[str, Any], str, list[str]]] = [
    # the parameters as a whole
    ("cron", None, {}, "trigger_params", ["mapping", "expression"]),
    ("cron", "* * * * *", {}, "trigger_params", ["mapping"]),
    ("cron", [], {}, "trigger_params", ["mapping", "type list"]),
    ("cron", {}, {}, "trigger_params", ["expression", "day_of_week"]),
    ("cron", {"hour": None}, {}, "trigger_params", ["expression"]),
    ("cron", {"dialect": "unix"}, {}, "trigger_params", ["expression"]),
    ("cron", {"expresion": "* * * * *"}, {}, "trigger_params",
     ["“expresion”", "Did you mean “expression”", "hour"]),
    ("cron", {"minutes": 5}, {}, "trigger_params", ["“minutes”", "Did you mean “minute”"]),
    ("cron", {"week": 5}, {}, "trigger_params", ["“week”", "Allowed are"]),
    ("cron", {3: 5}, {}, "trigger_params", ["Unknown key 3"]),
    ("cron", {"expression": "* * * * *", "hour": 3}, {}, "trigger_params", ["either", "hour"]),
    ("cron", {"expression": "* * * * *", "dialect": "qartz"}, {}, "trigger_params", ["“qartz”", "unix, quartz"]),
    ("cron", {"expression": "* * * * *", "dialect": ["unix"]}, {}, "trigger_params", ["dialect", "unix"]),
    # named fields
    ("cron", {"hour": 24}, {}, "trigger_params", ["hour", "24", "0–23"]),
    ("cron", {"hour": -1}, {}, "trigger_params", ["hour", "-1"]),
    ("cron", {"hour": True}, {}, "trigger_params", ["hour", "true"]),
    ("cron", {"hour": 3.0}, {}, "trigger_params", ["hour", "3.0"]),
    ("cron", {"hour": [1, 2]}, {}, "trigger_params", ["hour", "type list"]),
    ("cron", {"hour": "1 2"}, {}, "trigger_params", ["hour", "spaces"]),
    ("cron", {"hour": ""}, {}, "trigger_params", ["hour", "empty"]),
    ("cron", {"hour": "x" * 5000}, {}, "trigger_params", ["hour", "5000 characters"]),
    ("cron", {"hour": 10**9999}, {}, "trigger_params", ["hour", "bits"]),
    ("cron", {"day": 0}, {}, "trigger_params", ["day", "1–31"]),
    ("cron", {"day": 31, "month": "feb"}, {}, "trigger_params", ["can never fire"]),
    ("cron", {"day": 29, "month": 2, "year": "2026,2027"}, {}, "trigger_params", ["can never fire"]),
    ("cron", {"year": 1969}, {}, "trigger_params", ["year", "1970–2099"]),
    ("cron", {"year": 2100}, {}, "trigger_params", ["year", "1970–2099"]),
    ("cron", {"day_of_week": "mon-sun"}, {}, "trigger_params", ["day_of_week", "ends before it begins"]),
    # interval
    ("interval", {}, {}, "trigger_params", ["at least 1 second", "weeks, days, hours, minutes, seconds"]),
    ("interval", {"seconds": 0}, {}, "trigger_params", ["at least 1 second"]),
    ("interval", {"minutes": -5}, {}, "trigger_params", ["minutes", "-5"]),
    ("interval", {"minutes": 0.5}, {}, "trigger_params", ["minutes", "0.5"]),
    ("interval", {"minutes": "5"}, {}, "trigger_params", ["minutes", "“5”", "whole number"]),
    ("interval", {"minutes": True}, {}, "trigger_params", ["minutes", "true"]),
    ("interval", {"days": 100_000}, {}, "trigger_params", ["days", "3653"]),
    ("interval", {"days": 3653, "seconds": 1}, {}, "trigger_params", ["3653"]),
    ("interval", {"seconds": 10**400}, {}, "trigger_params", ["seconds", "bits"]),
    ("interval", {"seconds": float("nan")}, {}, "trigger_params", ["seconds", "nan"]),
    ("interval", {"minuts": 5}, {}, "trigger_params", ["“minuts”", "Did you mean “minutes”"]),
    ("interval", {"months": 121}, {}, "trigger_params", ["months", "121", "120"]),
    ("interval", {"years": 10, "months": 1}, {}, "trigger_params", ["3653 days"]),
    ("interval", {"hours": 1, "after_end": "yes"}, {}, "trigger_params", ["after_end", "“yes”", "true nor false"]),
    ("interval", {"months": 1, "after_end": True}, {}, "trigger_params", ["after_end", "months"]),
    ("any_of", {"triggers": [{"trigger": "interval", "params": {"hours": 1, "after_end": True}},
     {"trigger": "cron", "params": {"hour": 3}}]}, {}, "trigger_params", ["triggers[1]", "end of a run"]),
    ("interval", {"years": 1.5}, {}, "trigger_params", ["years", "1.5"]),
    ("interval", 5, {}, "trigger_params", ["mapping"]),
    # date
    ("date", {}, {}, "trigger_params", ["run_date is missing"]),
    ("date", {"run_date": ""}, {}, "trigger_params", ["run_date", "2027-01-31"]),
    ("date", {"run_date": "tomorrow"}, {}, "trigger_params", ["run_date", "“tomorrow”"]),
    ("date", {"run_date": "2026-02-30 03:00"}, {}, "trigger_params", ["run_date", "“2026-02-30 03:00”"]),
    ("date", {"run_date": "2026-01-01\0"}, {}, "trigger_params", ["run_date", "\\x00"]),
    ("date", {"run_date": 1_700_000_000}, {}, "trigger_params", ["run_date", "1700000000"]),
    ("date", {"run_date": "9999-12-31T23:59:59"}, {}, "trigger_params", ["run_date", "9999"]),
    ("date", {"run_date": "0001-01-01T00:00:00+14:00"}, {}, "trigger_params", ["run_date", "1970"]),
    ("date", {"run_date": "1" * 10_000}, {}, "trigger_params", ["run_date"]),
    ("date", {"run_at": "2026-01-01"}, {}, "trigger_params", ["“run_at”", "Did you mean “run_date”"]),
    ("date", {"run_date": "2026-03-08 02:30"}, {"zone": "America/New_York", "gap": "skip"}, "trigger_params",
     ["America/New_York", "skips this time"]),
    ("date", {"run_dates": []}, {}, "trigger_params", ["run_dates", "1 to 1000"]),
    ("date", {"run_dates": "2027-01-01"}, {}, "trigger_params", ["run_dates", "a list"]),
    ("date", {"run_dates": ["2027-01-01", "soon"]}, {}, "trigger_params", ["run_dates", "“soon”"]),
    ("date", {"run_dates": ["2027-01-01"] * 1001}, {}, "trigger_params", ["run_dates", "1000"]),
    ("date", {"run_date": "2027-01-01", "run_dates": ["2027-01-01"]}, {}, "trigger_params", ["either"]),
    # calendar rules
    ("rrule", {}, {}, "trigger_params", ["rule", "null", "FREQ=WEEKLY"]),
    ("rrule", {"rule": 5}, {}, "trigger_params", ["rule", "5"]),
    ("rrule", {"rule": "x" * 3000}, {}, "trigger_params", ["3000 characters", "2000"]),
    ("rrule", {"rule": "BYDAY=MO"}, {}, "trigger_params", ["FREQ", "YEARLY, MONTHLY"]),
    ("rrule", {"rule": "FREQ=FORTNIGHTLY"}, {}, "trigger_params", ["FREQ", "“FORTNIGHTLY”", "WEEKLY"]),
    ("rrule", {"rule": "FREQ=DAILY;BYHUOR=3"}, {}, "trigger_params", ["“BYHUOR=3”", "BYHOUR", "INTERVAL"]),
    ("rrule", {"rule": "FREQ=DAILY;FREQ=DAILY"}, {}, "trigger_params", ["FREQ", "twice"]),
    ("rrule", {"rule": "FREQ=DAILY;INTERVAL=0"}, {}, "trigger_params", ["INTERVAL", "“0”", "1–3653"]),
    ("rrule", {"rule": "FREQ=HOURLY;INTERVAL=25"}, {}, "trigger_params", ["INTERVAL", "“25”", "1–24"]),
    ("rrule", {"rule": "FREQ=DAILY;COUNT=-1"}, {}, "trigger_params", ["COUNT", "“-1”", "1–10000"]),
    ("rrule", {"rule": "FREQ=DAILY;COUNT=1;UNTIL=20270101"}, {}, "trigger_params", ["COUNT", "UNTIL"]),
    ("rrule", {"rule": "FREQ=DAILY;UNTIL=tomorrow"}, {}, "trigger_params", ["UNTIL", "“TOMORROW”", "20270131"]),
    ("rrule", {"rule": "FREQ=DAILY;BYHOUR=24"}, {}, "trigger_params", ["BYHOUR", "“24”", "0–23"]),
    ("rrule", {"rule": "FREQ=DAILY;BYMINUTE=x"}, {}, "trigger_params", ["BYMINUTE", "“X”", "0–59"]),
    ("rrule", {"rule": "FREQ=MONTHLY;BYMONTHDAY=0"}, {}, "trigger_params", ["BYMONTHDAY", "“0”", "-31–-1"]),
    ("rrule", {"rule": "FREQ=YEARLY;BYMONTH=13"}, {}, "trigger_params", ["BYMONTH", "“13”", "1–12"]),
    ("rrule", {"rule": "FREQ=YEARLY;BYWEEKNO=54"}, {}, "trigger_params", ["BYWEEKNO", "“54”", "1–53"]),
    ("rrule", {"rule": "FREQ=MONTHLY;BYDAY=6MO"}, {}, "trigger_params", ["BYDAY", "“6MO”", "2MO"]),
    ("rrule", {"rule": "FREQ=WEEKLY;BYDAY=1MO"}, {}, "trigger_params", ["BYDAY", "“1MO”", "MO, TU"]),
    ("rrule", {"rule": "FREQ=WEEKLY;BYDAY=MON"}, {}, "trigger_params", ["BYDAY", "“MON”", "MO, TU"]),
    ("rrule", {"rule": "FREQ=WEEKLY;WKST=XX"}, {}, "trigger_params", ["WKST", "“XX”", "MO, TU"]),
    ("rrule", {"rule": "FREQ=WEEKLY;BYMONTHDAY=1"}, {}, "trigger_params", ["BYMONTHDAY", "FREQ=WEEKLY"]),
    ("rrule", {"rule": "FREQ=MONTHLY;BYWEEKNO=1"}, {}, "trigger_params", ["BYWEEKNO", "FREQ=MONTHLY"]),
    ("rrule", {"rule": "FREQ=DAILY;BYYEARDAY=1"}, {}, "trigger_params", ["BYYEARDAY", "FREQ=DAILY"]),
    ("rrule", {"rule": "FREQ=MONTHLY;BYSETPOS=1"}, {}, "trigger_params", ["BYSETPOS", "BYDAY"]),
    ("rrule", {"rule": "FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO"}, {}, "trigger_params", ["BYDAY", "BYWEEKNO"]),
    ("rrule", {"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, {}, "trigger_params", ["never fire"]),
    ("rrule", {"rule": "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30"}, {}, "trigger_params", ["never fire"]),
    ("rrule", {"rule": "FREQ=DAILY;BYHOUR=1;BYSETPOS=2"}, {}, "trigger_params", ["never fire"]),
    ("rrule", {"rule": "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2"}, {}, "trigger_params", ["never fire"]),
    ("rrule", {"rule": "FREQ=HOURLY;INTERVAL=6;BYHOUR=5", "dtstart": "2026-01-01"}, {}, "trigger_params",
     ["never fire"]),
    ("rrule", {"rule": "FREQ=DAILY;UNTIL=20260101", "dtstart": "2027-01-01"}, {}, "trigger_params",
     ["never fire"]),
    ("rrule", {"rule": "RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY"}, {}, "trigger_params", ["exactly one RRULE"]),
    ("rrule", {"rule": "EXRULE:FREQ=DAILY"}, {}, "trigger_params", ["“EXRULE”", "RRULE, DTSTART"]),
    ("rrule", {"rule": "DTSTART;TZID=Europe/Berlin:20270101T000000\nRRULE:FREQ=DAILY"}, {}, "trigger_params",
     ["DTSTART", "BERLIN", "UTC"]),
    ("rrule", {"rule": "DTSTART:20270101\nRRULE:FREQ=DAILY", "dtstart": "2027-01-01"}, {}, "trigger_params",
     ["dtstart"]),
    ("rrule", {"rule": "FREQ=DAILY", "exdates": "2027-01-01"}, {}, "trigger_params", ["exdates", "a list"]),
    ("rrule", {"rule": "FREQ=DAILY", "rdates": ["x"]}, {}, "trigger_params", ["rdates", "“x”"]),
    # combinations
    ("any_of", {}, {}, "trigger_params", ["triggers", "2 to 20", "null"]),
    ("any_of", {"triggers": [{"trigger": "cron", "params": {"hour": 3}}]}, {}, "trigger_params", ["2 to 20"]),
    ("any_of", {"triggers": ["x", 5]}, {}, "trigger_params", ["triggers[1]", "triggers[2]", "trigger, params"]),
    ("any_of", {"triggers": [{"trigger": "cron", "params": {"hour": 3}}, {"trigger": "cronn"}]}, {},
     "trigger_params", ["triggers[2]", "Did you mean “cron”"]),
    ("any_of", {"triggers": [{"trigger": "cron", "params": {"hour": 3}}, {"trigger": "manual"}]}, {},
     "trigger_params", ["triggers[2]", "no times"]),
    ("all_of", {"triggers": [{"trigger": "cron", "params": {"hour": 24}}] * 2}, {}, "trigger_params",
     ["triggers[1]: hour", "triggers[2]: hour"]),
    ("all_of", {"triggers": [{"trigger": "cron", "params": {"hour": 3}}] * 21}, {}, "trigger_params", ["20"]),
    ("except", {"base": {"trigger": "cron", "params": {"hour": 3}}}, {}, "trigger_params", ["except", "null"]),
    ("except", {"except": []}, {}, "trigger_params", ["base"]),
    ("manual", {"hour": 3}, {}, "trigger_params", ["Unknown key “hour”"]),
    # spread, calendar policy
    ("cron", {"hour": 3}, {"spread_seconds": -1}, "spread_seconds", ["-1", "0 to 86400"]),
    ("cron", {"hour": 3}, {"calendar_policy": "shift"}, "calendar_policy", ["“shift”", "shift_next"]),
    # the rest
    ("crom", {"hour": 3}, {}, "trigger", ["“crom”", "Did you mean “cron”", "cron, interval, date"]),
    ("", {"hour": 3}, {}, "trigger", ["cron, interval, date"]),
    (None, {"hour": 3}, {}, "trigger", ["null", "cron, interval, date"]),
    (["cron"], {"hour": 3}, {}, "trigger", ["type list"]),
    ("cron", {"hour": 3}, {"zone": "Asia/Shanghia"}, "time_zone", ["“Asia/Shanghia”", "Asia/Shanghai"]),
    ("cron", {"hour": 3}, {"zone": "asia/shanghai"}, "time_zone", ["Did you mean Asia/Shanghai?"]),
    ("cron", {"hour": 3}, {"zone": "Shanghai"}, "time_zone", ["Did you mean Asia/Shanghai?"]),
    ("cron", {"hour": 3}, {"zone": "New York"}, "time_zone", ["America/New_York"]),
    ("cron", {"hour": 3}, {"zone": "../../etc/passwd"}, "time_zone", ["There is no time zone"]),
    ("cron", {"hour": 3}, {"zone": "America"}, "time_zone", ["There is no time zone"]),
    ("cron", {"hour": 3}, {"zone": ""}, "time_zone", ["There is no time zone"]),
    ("cron", {"hour": 3}, {"zone": "UTC\0"}, "time_zone", ["\\x00"]),
    ("cron", {"hour": 3}, {"zone": "A" * 10_000}, "time_zone", ["There is no time zone"]),
    ("cron", {"hour": 3}, {"zone": None}, "time_zone", ["null"]),
    ("cron", {"hour": 3}, {"zone": 8}, "time_zone", ["8"]),
    ("cron", {"hour": 3}, {"gap": "run_befor"}, "clock_gap", ["“run_befor”", "run_after, skip"]),
    ("cron", {"hour": 3}, {"fold": "twice"}, "clock_overlap", ["“twice”", "first, second, both"]),
    ("cron", {"hour": 3}, {"fold": None}, "clock_overlap", ["null"]),
    ("cron", {"hour": 3}, {"start_at": "soon"}, "start_at", ["“soon”"]),
    ("cron", {"hour": 3}, {"end_at": 5}, "end_at", ["5"]),
    ("cron", {"hour": 3}, {"end_at": "9999-01-01"}, "end_at", ["9999"]),
    ("cron", {"hour": 3}, {"start_at": "2027-01-01", "end_at": "2026-01-01"}, "end_at",
     ["later than the start"]),
    ("cron", {"hour": 3}, {"start_at": "2027-01-01", "end_at": "2027-01-01"}, "end_at",
     ["later than the start"]),
    ("cron", {"month": 6}, {"start_at": "2027-01-01", "end_at": "2027-02-01"}, "end_at", ["no occurrence"]),
    ("cron", {"year": 2020}, {"start_at": "2027-01-01"}, "start_at", ["no occurrence"]),
    ("cron", {"year": 2030}, {"end_at": "2027-01-01"}, "end_at", ["no occurrence"]),
    ("date", {"run_date": "2026-01-01"}, {"start_at": "2027-01-01"}, "start_at", ["no occurrence"]),
    ("interval", {"days": 9}, {"anchor_at": "2027-01-01", "start_at": "2027-01-02", "end_at": "2027-01-09"},
     "end_at",
     ["no occurrence"]),
    ("interval", {"days": 9}, {"anchor_at": "x"}, "anchor_at", ["“x”"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "params", "terms", "field", "fragments"), BUILD)
def test_build(kind: Any, params: Any, terms: dict[str, Any], field: str, fragments: list[str]) -> None:
    with pytest.raises(InvalidTrigger) as caught:
        triggers.build(kind, params, **terms)
    assert list(caught.value.errors) == [field]
    message = " ".join(caught.value.errors[field])
    assert [fragment for fragment in fragments if fragment not in message] == []
    assert len(message) < 400
    assert message.isprintable()


def test_combinations_are_not_nested_without_end() -> None:
    nested: dict[str, Any] = {"trigger": "cron", "params": {"hour": 3}}
    for _level in range(4):
        nested = {"trigger": "any_of", "params": {"triggers": [nested, nested]}}
    with pytest.raises(InvalidTrigger, match="nested too deeply; 3 levels"):
        triggers.build(nested["trigger"], nested["params"])


def test_all_wrong_fields_at_once() -> None:
    with pytest.raises(InvalidTrigger) as caught:
        triggers.build("cronn", {}, zone="Mars", gap="x", fold="y", start_at="z")
    assert set(caught.value.errors) == {"trigger", "time_zone", "clock_gap", "clock_overlap"}
    with pytest.raises(InvalidTrigger) as caught:
        triggers.build("cron", {}, start_at="a", end_at="b")
    assert set(caught.value.errors) == {"start_at", "end_at"}
    with pytest.raises(InvalidTrigger) as caught:
        triggers.build("cron", {"hour": True, "minute": [], "second": "x y"})
    assert len(caught.value.errors["trigger_params"]) == 3


def test_a_refusal_is_not_remembered_as_text() -> None:
    """The parser keeps what it understood, not what it refused: the message follows the language."""
    for _attempt in range(2):
        with pytest.raises(InvalidTrigger, match="“61”"):
            triggers.build("cron", expression("61 * * * *"))
