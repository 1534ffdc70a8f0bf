"""Why a run is in its state: what was decided about it, how it ended, and whether it is tried again."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scheduling.sentences.base import Sentence

# --- it does not run, or not yet

MISSED = Sentence(_("{number} due from {first} to {last}"))
MISSED_MORE = Sentence(_("more than {number} due from {first} to {last}"))
SKIPPED = Sentence(_("as many runs as allowed were active at that moment"))
TOO_MANY_WAIT = Sentence(_("{number} runs were waiting already"))
WAITS_ITS_TURN = Sentence(_("waits for a run of the same task to end"))
WAITS_BEHIND = Sentence(_("waits behind {ahead}"))
AHEAD = Sentence(_("#{id} ({state})"))
NOT_BEFORE = Sentence(_("not before {at}"))
NOT_BEFORE_BY_JITTER = Sentence(_("not before {at} (jitter)"))
TASK_PAUSED = Sentence(_("the task is paused"))
TASK_WAS_DISABLED = Sentence(_("the task was disabled at that moment"))
OTHERWISE_ENDED = Sentence(_("what it runs after did not end as it waits for: {ends}"))
END = Sentence(_("#{id} ({key}: {state})"))
END_WITH_REASON = Sentence(_("#{id} ({key}: {state}, {reason})"))

# --- it was ended before it began

CANCELLED = Sentence(_("cancelled by {who} before it started"))
REPLACED = Sentence(_("a later run of the task took its place"))
TASK_DISABLED = Sentence(_("the task was disabled before it could start"))
TASK_DELETED = Sentence(_("the task was deleted before it could start"))

# --- it is tried again, or is not

TRIED = Sentence(_("try {number} of {most} ended: {said}"))
ASKED_AGAIN = Sentence(_("it asked to be tried again: {said}"))
ASKED_TOO_OFTEN = Sentence(_("it has asked {number} times to be tried again: {said}"))
NOT_AGAIN = Sentence(_("{said} (not tried again, as the task says of {name})"))
AGAIN_IF_ASKED = Sentence(_("The function asked to be tried again."))

# --- it was lost, or nearly

NODE_DIED = Sentence(_("node {node} died while it ran"))
NODE_STOPPED = Sentence(_("the node was stopped while it ran"))
RUNS_AGAIN = Sentence(_("runs again: an earlier attempt was lost"))
NEVER_BEGAN = Sentence(_("claimed, but never begun: queued again"))
TOO_LATE = Sentence(_("reported {state} after it had been given up: {said}"))

# --- it was asked to end

ON_REQUEST = Sentence(_("cancelled on request"))
NODE_STOPS = Sentence(_("the node is being stopped"))
NOT_ITS_OWN = Sentence(_("the execution is no longer this run's to finish"))
EXECUTOR_STOPS = Sentence(_("the executor is shut down"))
GOT_SIGTERM = Sentence(_("It got SIGTERM."))
OVER_TIME = Sentence(_("it ran longer than its timeout allows"))
PROGRAM_OVER_TIME = Sentence(
    _(
        "It ran longer than the {seconds} s that programs have (JOBSITE_COMMAND_TIMEOUT_SECONDS) "
        "where the task has no timeout."
    )
)
RETURNED_LATE = Sentence(_("It returned after its deadline."))
ENDED_AT_DEADLINE = Sentence(_("It was ended at its deadline."))
KILLED = Sentence(_("killed, since it did not end when it was asked to"))
NOT_KILLED = Sentence(_("it could not be killed: it hangs in the kernel"))

# --- it failed

FUNCTION_OFF = Sentence(_("The function is switched off here: the setting {setting} says so."))
FUNCTION_MISSING = Sentence(_("There is no registered function {function}. {hint}"))
NO_COROUTINE = Sentence(_("{function} is no coroutine function."))
WORKER_BROKE = Sentence(_("The run broke its worker."))
REFUSED_BY_DATABASE = Sentence(_("It ended {state}, but the database refused what it gave."))

# --- its process, or its program

MEMORY_LIMIT = Sentence(_("it used {number} MiB of memory, {most} MiB are allowed"))
CPU_LIMIT = Sentence(_("it used {seconds} s of processor time, more is not allowed"))
CPU_LIMIT_OF_KERNEL = Sentence(_("it used more processor time than is allowed"))
PROCESS_LIMIT = Sentence(_("it had {number} processes, {most} are allowed"))
NONSENSE = Sentence(_("its process reported nonsense: {cause}"))
NO_OUTCOME = Sentence(_("Its process reported no outcome: {cause}"))
NO_PROCESS = Sentence(_("The fork server gave no process."))
NO_SERVER = Sentence(_("The fork server does not answer: {cause}"))
SERVER_DIED = Sentence(_("The process that started it has died."))
STARTER_DIED = Sentence(_("What had started it has died."))
PROCESS_ENDED = Sentence(_("Its process ended before the function did: {ending}."))
PROGRAM_ENDED = Sentence(_("{program} ended with {ending}."))
PROGRAM_NOT_STARTED = Sentence(_("The program could not be started: {said}"))
NO_USER = Sentence(
    _("The setting JOBSITE_COMMAND_USER names a user that this machine does not have: {user}.")
)
EXIT_CODE = Sentence(_("exit code {code}"))
SIGNAL = Sentence(_("{signal} (killed by signal {number})"))
SIGNAL_WITHOUT_NAME = Sentence(_("signal {number}"))
