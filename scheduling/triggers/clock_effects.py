"""What happens to wall-clock times where the clock is put forward or back, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from .base import ClockEffect
from .wallclock import WallClock
from .zones import DAY, ClockShift


def effect_of(clock: WallClock, shift: ClockShift) -> ClockEffect:
    """What the schedule does at this change."""
    code, wall = clock.effect(shift)
    if wall is None:
        return ClockEffect("unaffected", _("Not affected."))
    words = {"time": time_of_day(wall), "resume": time_of_day(shift.at + shift.after)}
    if shift.after > shift.before:
        if code == "runs_once":
            return ClockEffect(
                code, _("%(time)s does not exist on this day: runs once, at %(resume)s.") % words
            )
        return ClockEffect(code, _("%(time)s does not exist on this day: skipped.") % words)
    if code == "runs_twice":
        return ClockEffect(code, _("%(time)s comes twice on this day: runs twice.") % words)
    if clock.fold == "second":
        return ClockEffect(code, _("%(time)s comes twice on this day: runs once, the second time.") % words)
    return ClockEffect(code, _("%(time)s comes twice on this day: runs once, the first time.") % words)


def time_of_day(wall: int) -> str:
    """Hours, minutes and seconds of a wall-clock second."""
    second_of_day = wall % DAY
    return f"{second_of_day // 3600:02}:{second_of_day // 60 % 60:02}:{second_of_day % 60:02}"
