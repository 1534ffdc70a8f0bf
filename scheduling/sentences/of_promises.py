"""What breaks a promise, as the doctor says it (services/examinations.py)."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scheduling.sentences.base import Sentence

NO_TIME = Sentence(_("no time was left for it"))
TOOK_TOO_LONG = Sentence(_("it took longer than {seconds} s and was ended"))

NO_CONSTRAINT = Sentence(_("the unique constraint over task, scheduled_for and slot is missing"))
NO_OWNER = Sentence(_("#{id} ({key}) is running on {node}, which does not live"))
NO_SCHEDULER = Sentence(_("no scheduler is running"))
NODE_SILENT = Sentence(_("node {node} has been silent for {seconds} s and is not declared dead"))
NOT_ADMITTED = Sentence(_("something has been due since {at} and was not admitted"))
LIVE_ROW = Sentence(_("task {id}: its live row is {kind}"))
#: As services/repair.py calls them.
KINDS = (_("missing"), _("restless"), _("deleted"))
STUCK = Sentence(_("#{id} ({key}) waits ({reason}) and nothing of its task is active"))
OVERDUE = Sentence(_("#{id} ({key}) should have ended at {at}: a thread that does not look cannot be ended"))
POOL_TOO_FULL = Sentence(_("pool {key}: {number} of {most} seats are taken"))
TASK_TOO_BUSY = Sentence(
    _("task {key}: {number} are active, {most} are allowed (runs that were forced count)")
)
NO_FUNCTION = Sentence(_("task {key}: no live node of queue {queue} has the function {function}"))
SCHEDULE_FAILS = Sentence(_("task {key}: its schedule fails: {cause}"))
WRONG_TIME = Sentence(_("task {key}: its next time is {at}, by its schedule it is {due}"))
NO_INDEX = Sentence(_("the index {index} of {table} is missing"))
CIRCLE = Sentence(_("task {key} runs after itself"))
UNREADABLE = Sentence(_("results in {path} could not be read"))
NOT_PLAYED_BACK = Sentence(_("results in {path} have not been played back: start a node on this machine"))
