"""What a schedule would do: the one answer that form, API and command give before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from scheduling import triggers
from scheduling.models import Task
from scheduling.services import forecast, impact
from scheduling.triggers import moments

#: What a schedule may be asked about with: the fields of a task that decide about its times.
FIELDS = (*Task.SCHEDULE, "key", "max_runs")


@dataclass(frozen=True, slots=True)
class Explained:
    """A schedule, explained."""

    preview: triggers.Preview  # in the current language
    descriptions: dict[str, str]  # the sentence in each language, by its code
    crowd: forecast.Crowd | None  # many others in the minute of one of its times
    #: Whether that is known: with very many tasks the forecast is computed in the background first.
    crowd_known: bool

    @property
    def warnings(self) -> list[str]:
        return [*self.preview.warnings, *([str(self.crowd)] if self.crowd else [])]


def as_asked(stored: Task | None, values: Mapping[str, Any], now: datetime) -> Task:
    """The task that is asked about, not to be saved: ``stored`` with other values as an edit would leave it, or a
    new one. ``values``: some of FIELDS; start and end may be text, in the zone. Raises InvalidTrigger."""
    task = copy(stored) if stored is not None else Task(anchor_at=now)
    for name, value in values.items():
        setattr(task, name, value)
    for name in ("start_at", "end_at"):
        if isinstance(text := getattr(task, name), str):
            setattr(task, name, moments.bound(name, text, triggers.timeline(task.time_zone)))
    if stored is not None:
        return impact.as_edited(stored, task, now)
    task.anchor_at = task.start_at or now
    return task


def explain(task: Task, *, after: datetime, count: int, crowded_by: forecast.Forecast | None) -> Explained:
    """The next ``count`` times of a task, stored or not, as the scheduler will compute them, and all there is to say.

    A task at rest is shown as if it were none. Raises InvalidTrigger.
    """
    trigger = task.build_trigger()
    left = None if task.max_runs is None else max(0, task.max_runs - task.run_count)
    preview = triggers.preview_of(trigger, after=after, count=count if left is None else min(count, left))
    if trigger.depends_on_key and not task.key:
        preview.warnings.append(
            _("H and the spread come from the task's key: without one, these are not the times it will have.")
        )
    if left == 0:
        preview.warnings.append(_("There is no further run."))
    crowd = forecast.crowd_of(task, preview.times, crowded_by) if crowded_by is not None else None
    return Explained(preview, _in_each_language(trigger), crowd, crowded_by is not None)


def _in_each_language(trigger: triggers.Trigger) -> dict[str, str]:
    found = {}
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            found[code] = trigger.describe()
    return found
