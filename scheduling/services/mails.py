"""The mails themselves: what they say, and how they are handed to the mail server."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scheduling.masking import masked_text
from scheduling.models import Execution, Reason, State
from scheduling.sentences import in_words

#: Of the error's message, at most so many characters: a mail is to be read, the page says the rest.
MESSAGE_CHARACTERS = 1_000
#: Without what may hold secrets, or is long.
DESCRIBED = Execution.objects.defer("parameters", "result", "traceback")


def send_failure(execution: Execution, notice_id: int, addresses: list[str], held_back: int) -> None:
    """Tells of a run that failed. Raises what the mail backend raises; waits 10 s for each answer at most."""
    message = EmailMessage(
        subject=_subject(execution),
        body=_body(execution, held_back),
        to=addresses,
        # The same for every try, so that readers show it once should it ever be sent twice.
        headers={
            "Message-ID": f"<jobsite.notice.{notice_id}.{execution.pk}@{_domain()}>",
            "Auto-Submitted": "auto-generated",
        },
        connection=get_connection(fail_silently=False),
    )
    message.send()


def _domain() -> str:
    return settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"


def _subject(execution: Execution) -> str:
    said = _("%(task)s: %(state)s") % {
        "task": execution.task_key,
        "state": State(execution.state).label,
    }
    return f"[Jobsite] {said}"


def _body(execution: Execution, held_back: int) -> str:
    task = execution.task
    reason = Reason(execution.reason).label if execution.reason in Reason.values else execution.reason
    lines = [
        _("Task: %(name)s (%(key)s)") % {"name": task.name, "key": execution.task_key},
        _("Execution: #%(id)d, attempt %(attempt)d") % {"id": execution.pk, "attempt": execution.attempt},
        _("State: %(state)s (%(reason)s)")
        % {"state": State(execution.state).label, "reason": reason or execution.state},
        _("Scheduled for: %(at)s") % {"at": _moment(execution.scheduled_for)},
        _("Started: %(at)s") % {"at": _moment(execution.started_at)},
        _("Finished: %(at)s") % {"at": _moment(execution.finished_at)},
    ]
    if execution.detail:
        lines.append(in_words(masked_text(execution.detail)))
    if execution.error_class or execution.message:
        said = in_words(masked_text(execution.message))[:MESSAGE_CHARACTERS]
        lines += ["", f"{execution.error_class}: {said}" if execution.error_class else said]
    if held_back:
        lines += [
            "",
            ngettext(
                "%(number)d more run of this task has failed since the last mail.",
                "%(number)d more runs of this task have failed since the last mail.",
                held_back,
            )
            % {"number": held_back},
        ]
    if settings.JOBSITE_BASE_URL:
        # The page's address is a face's affair; this one is part of what the product promises.
        lines += ["", f"{settings.JOBSITE_BASE_URL}/admin/scheduling/execution/{execution.pk}/change/"]
    return "\n".join(lines) + "\n"


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "–"
