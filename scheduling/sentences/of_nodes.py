"""What keeps a node from claiming, or troubles it while it goes on."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scheduling.sentences.base import Sentence

# --- it claims nothing

DISK_FULL = Sentence(_("claims nothing: {free} MB are free where it keeps its files, {least} MB are needed"))
CLOCK_WRONG = Sentence(_("claims nothing: its clock differs from the database's by {seconds} s"))
LOAD_HIGH = Sentence(_("claims nothing: this machine's load is {load} a core, {most} is allowed"))
MEMORY_SHORT = Sentence(_("claims nothing: {free} MB of memory are free, {least} MB are needed"))
SEATS_HELD = Sentence(_("claims nothing: {number} overdue runs hold its seats for {executor}"))
DRAINING = Sentence(_("asked to drain"))
DIED = Sentence(_("its beat stood still for the whole lease"))

# --- it goes on

CLOCK_DIFFERS = Sentence(_("its clock differs from the database's by {seconds} s"))
MEMORY_UNKNOWN = Sentence(
    _("how much memory is free cannot be told here: JOBSITE_LEAST_FREE_MEMORY_MB has no effect")
)
BROKER_AWAY = Sentence(_("the broker of Celery's workers does not answer: {cause}"))
LOOP_BLOCKED = Sentence(_("takes no coroutines: one blocks the event loop, among {tasks}"))
LOOP_BROKEN = Sentence(
    _("takes no coroutines until the node is started anew: its event loop has broken down ({cause})")
)
