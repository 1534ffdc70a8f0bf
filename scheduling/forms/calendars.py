"""The days and windows of a calendar as people write them: a line each, no JSON (which is taken, too)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobsite.admin_base import TextArea
from scheduling.triggers.calendar_reading import WEEKDAYS
from scheduling.triggers.inputs import quoted

MOST_CHARACTERS = 200_000
_DAY = r"(?:[0-9]{4}-)?[0-9]{2}-[0-9]{2}"
_NAME = r"(?:\s+(?P<name>\S.*))?"
#: 2027-05-04, 2027-05-04..2027-05-07 or 12-24, with a + where it is worked, and a name.
DATES = re.compile(rf"(?P<working>\+)?\s*(?P<date>{_DAY})(?:\s*\.\.\s*(?P<until>{_DAY}))?" + _NAME)
_MOMENT = rf"{_DAY}(?:[ T][0-9]{{1,2}}:[0-9:]+(?:Z|[+-][0-9:]+)?)?"
#: 2027-01-31 22:00..2027-02-01 06:00 and a name.
ONCE = re.compile(rf"(?P<start>{_MOMENT})\s*\.\.\s*(?P<end>{_MOMENT})" + _NAME)
#: SAT,SUN 22:00..06:00 and a name.
WEEKLY = re.compile(
    r"(?P<weekdays>[A-Za-z]+(?:[,\s]+[A-Za-z]+)*)\s+(?P<from>[0-9:]+)\s*\.\.\s*(?P<to>[0-9:]+)" + _NAME
)
NAMES = {
    "MON": gettext_lazy("Monday"),
    "TUE": gettext_lazy("Tuesday"),
    "WED": gettext_lazy("Wednesday"),
    "THU": gettext_lazy("Thursday"),
    "FRI": gettext_lazy("Friday"),
    "SAT": gettext_lazy("Saturday"),
    "SUN": gettext_lazy("Sunday"),
}


class WeekdaysField(forms.MultipleChoiceField):
    """Weekdays to tick."""

    def __init__(self, **options: Any) -> None:
        choices = [(name, NAMES[name]) for name in WEEKDAYS]
        super().__init__(choices=choices, widget=forms.CheckboxSelectMultiple, required=False, **options)

    def prepare_value(self, value: Any) -> Any:
        words = value.replace(",", " ").split() if isinstance(value, str) else value or []
        return [str(word).upper() for word in words]


class LinesField(forms.CharField):
    """Entries of a calendar, one a line."""

    def __init__(
        self, *, read: Callable[[str], Any], write: Callable[[Mapping[str, Any]], str], **options: Any
    ) -> None:
        super().__init__(
            widget=TextArea(attrs={"rows": 4, "spellcheck": "false"}), required=False,
            max_length=MOST_CHARACTERS, **options,
        )  # fmt: skip
        self.read, self.write = read, write

    def prepare_value(self, value: Any) -> Any:
        """What is no list of entries, such as what was just typed, stays as it is."""
        if not isinstance(value, list):
            return value
        try:
            return "\n".join(
                self.write({"date": entry} if isinstance(entry, str) else entry) for entry in value
            )
        except (KeyError, TypeError, AttributeError):  # stored by another door and broken since: to be mended
            return json.dumps(value, ensure_ascii=False)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        if text.lstrip().startswith("["):
            try:
                return json.loads(text)
            except (ValueError, RecursionError) as error:
                raise ValidationError(_("This is not JSON.")) from error
        found, faults = [], []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            entry = self.read(line.strip())
            if entry is None:
                words = {"number": number, "line": quoted(line.strip())}
                faults.append(_("Line %(number)d: %(line)s cannot be read.") % words)
            found.append(entry)
        if faults:
            raise ValidationError(faults)
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((self.prepare_value(initial) or "") != (data or "").replace("\r\n", "\n").strip())


def read_date(line: str) -> Any:
    """An entry of `dates`; None when the line is none."""
    found = DATES.fullmatch(line)
    if found is None:
        return None
    entry = {name: text for name, text in found.groupdict().items() if text}
    if entry.pop("working", None):
        entry["working"] = True
    return entry["date"] if list(entry) == ["date"] else entry


def write_date(entry: Mapping[str, Any]) -> str:
    until, name = entry.get("until"), entry.get("name")
    line = ("+" if entry.get("working") else "") + str(entry["date"])
    return line + (f"..{until}" if until else "") + (f" {name}" if name else "")


def read_window(line: str) -> Any:
    """An entry of `windows`; None when the line is none."""
    found = ONCE.fullmatch(line) or WEEKLY.fullmatch(line)
    if found is None:
        return None
    entry: dict[str, Any] = {name: text for name, text in found.groupdict().items() if text}
    if "weekdays" in entry:
        entry["weekdays"] = re.split(r"[,\s]+", entry["weekdays"].upper())
    return entry


def write_window(entry: Mapping[str, Any]) -> str:
    if "weekdays" in entry:
        weekdays = entry["weekdays"]
        days = weekdays if isinstance(weekdays, str) else ",".join(weekdays)
        line = f"{days} {entry['from']}..{entry['to']}"
    else:
        line = f"{entry['start']}..{entry['end']}"
    return line + (f" {name}" if (name := entry.get("name")) else "")
