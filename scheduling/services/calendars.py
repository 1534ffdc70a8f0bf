"""Changes of calendars. They are in effect at once: the next times of the tasks concerned move with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from scheduling import clock, triggers
from scheduling.exceptions import EditedMeanwhile, InvalidTrigger, Refused
from scheduling.models import Calendar, Task
from scheduling.services import accounted, admission, liverows
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction
from scheduling.triggers.calendars import window_bounds

#: What people edit.
EDITABLE = ("key", "name", "description", *Calendar.RULES)


@dataclass(frozen=True, slots=True)
class Move:
    """A task whose next time is another one under a changed calendar."""

    task_id: int
    task_key: str
    before: datetime | None
    after: datetime | None


def save(calendar: Calendar, *, actor: Actor) -> list[Move]:
    """Stores a new or changed calendar and moves its tasks; returns which of them move.

    Raises ValidationError keyed by field; EditedMeanwhile when somebody else was faster; Refused if it is gone.
    What had come due under the old calendar is admitted under it.
    """
    seen = calendar.version

    def work() -> list[Move]:
        calendar.version = seen
        if calendar.pk is None:
            calendar.updated_at = clock.refresh()
            calendar.full_clean()
            calendar.save(force_insert=True)
            return []
        held = _hold_tasks(calendar.pk)
        stored = Calendar.objects.select_for_update().filter(pk=calendar.pk).values_list("version", flat=True)
        versions = list(stored)
        if not versions:
            raise Refused("calendar_deleted", _("The calendar has been deleted."))
        if versions[0] != seen:
            raise EditedMeanwhile(
                "edited_meanwhile",
                _("The calendar was changed by somebody else. Look at it again, then repeat."),
            )
        # Tasks that took the calendar between the two looks: from now on none can.
        held |= _hold_tasks(calendar.pk, but=held)
        now = clock.refresh()
        _settle(held, now)
        calendar.version, calendar.updated_at = seen + 1, now
        calendar.full_clean()
        calendar.save(update_fields=(*EDITABLE, "version", "updated_at"))
        return _move_tasks(calendar, now, held)

    try:
        return in_transaction(work)
    except BaseException:
        calendar.version = seen
        raise


def moves(calendar: Calendar) -> list[Move]:
    """Which tasks would move if this calendar, changed but not stored, were saved now. Writes nothing.

    A task whose schedule has no times under it, because the calendar is wrong, moves to None.
    """
    if calendar.pk is None:
        return []
    now = clock.now()
    tasks = _tasks(calendar.pk)
    times = liverows.times(task.pk for task in tasks)
    found, _broken = _compare(calendar, tasks, times, now)
    return found


@dataclass(frozen=True, slots=True)
class Day:
    """What a calendar says of a day: it is ``marked``, ``worked`` although it would be, or a ``window`` lies in it."""

    date: date
    kind: str
    name: str = ""  # of the holiday or own date
    windows: list[str] = field(default_factory=list)  # "22:00–24:00 Patch night"


#: Years that can be asked for: those for which the holidays package and cron have days.
YEARS = range(1970, 2100)
#: Ours → the one in which the holidays package names its days.
HOLIDAY_LANGUAGES = {"zh-hans": "zh_CN"}


def year_of(calendar: Calendar, year: int) -> list[Day]:
    """The days of a year of which the calendar says anything, in order. Raises InvalidTrigger (``calendar``)."""
    rules = calendar.rules()
    language = HOLIDAY_LANGUAGES.get(get_language() or "", "")
    found = {day: Day(day, "marked", name) for day, name in rules.marked_days(year, language).items()}
    found |= {day: Day(day, "worked", name) for day, name in rules.worked_days(year, language).items()}
    zone = triggers.zone(rules.zone) if rules.zone else UTC
    for window in rules.windows:
        for bounds in window_bounds(window, year):
            start, end = (at.astimezone(zone).replace(tzinfo=None) if at.tzinfo else at for at in bounds)
            for day in _days_of(start, end, year):
                words = f"{_part_of_day(day, start, end)} {window.name}".rstrip()
                found.setdefault(day, Day(day, "window")).windows.append(words)
    return [found[day] for day in sorted(found)]


def _days_of(start: datetime, end: datetime, year: int) -> list[date]:
    """The days of the year that a window lies in; one that ends at midnight lies in the day before."""
    first = max(start.date(), date(year, 1, 1))
    last = min(max(start, end - timedelta(microseconds=1)).date(), date(year, 12, 31))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _part_of_day(day: date, start: datetime, end: datetime) -> str:
    since = f"{start:%H:%M}" if start.date() == day else "00:00"
    until = f"{end:%H:%M}" if end.date() == day else "24:00"
    return f"{since}–{until}"


def delete(calendar: Calendar, *, actor: Actor) -> None:
    """Removes a calendar without tasks; one that has some raises ProtectedError."""
    calendar.delete()


def _tasks(calendar_id: int) -> list[Task]:
    return list(Task.objects.present().select_related("group").filter(calendar_id=calendar_id).order_by("pk"))


def _hold_tasks(calendar_id: int, but: frozenset[int] = frozenset()) -> frozenset[int]:
    """Locks the live rows of the calendar's tasks; returns the tasks' ids."""
    ids = [task_id for task_id in _ids(calendar_id) if task_id not in but]
    liverows.lock_many(ids, skip_locked=False)
    return frozenset(ids)


def _settle(task_ids: frozenset[int], now: datetime) -> None:
    """Admits what is due of those tasks, whose live rows are held."""
    times = liverows.times(task_ids)
    lost = accounted.lost([task_id for task_id in task_ids if times.get(task_id) is None], now)
    for task_id in sorted(task_ids):
        if task_id not in times or task_id in lost or ((at := times[task_id]) is not None and at <= now):
            admission.settle(task_id, now)


def _ids(calendar_id: int) -> list[int]:
    return list(
        Task.objects.present().filter(calendar_id=calendar_id).order_by("pk").values_list("pk", flat=True)
    )


def _move_tasks(calendar: Calendar, now: datetime, held: frozenset[int]) -> list[Move]:
    tasks = [task for task in _tasks(calendar.pk) if task.pk in held]
    times = liverows.times(task.pk for task in tasks)
    found, broken = _compare(calendar, tasks, times, now)
    liverows.move({move.task_id: move.after for move in found})
    for task_id, why in broken.items():
        Task.objects.filter(pk=task_id).update(schedule_error=why)
    healed = [task.pk for task in tasks if task.schedule_error and task.pk not in broken]
    Task.objects.filter(pk__in=healed).update(schedule_error="")
    return found


def _compare(
    calendar: Calendar, tasks: list[Task], times: dict[int, datetime | None], now: datetime
) -> tuple[list[Move], dict[int, str]]:
    """The tasks whose next time differs from the one in their live row, and those that have none any more, and why."""
    found: list[Move] = []
    broken: dict[int, str] = {}
    for task in tasks:
        task.calendar = calendar
        try:
            after = task.next_time(now)
        except InvalidTrigger as error:
            after, broken[task.pk] = None, str(error)[:500]
        if times.get(task.pk) != after:
            found.append(Move(task.pk, task.key, times.get(task.pk), after))
    return found, broken
