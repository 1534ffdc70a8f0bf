"""What can go wrong, as one tree. A class's docstring is its default message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class SchedulingError(Exception):
    """Something went wrong in the scheduler."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")


class FieldErrors(SchedulingError):
    """Some values are not acceptable.

    ``errors`` maps a field's name to the sentences about it, so that a form, the API and a
    YAML file can each say them where the value was given.
    """

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors: dict[str, list[str]] = {field: list(texts) for field, texts in errors.items()}
        super().__init__(
            "; ".join(f"{field}: {text}" for field, texts in self.errors.items() for text in texts)
        )


class InvalidTrigger(FieldErrors):
    """The schedule cannot be understood, or can never fire."""


class ParametersInvalid(FieldErrors):
    """The parameters do not fit the function's signature."""


class UnknownFunction(SchedulingError):
    """No registered function has this name."""


class UnknownTemplate(SchedulingError):
    """No template of tasks has this name."""


class UnknownTrigger(SchedulingError):
    """No kind of trigger has this name."""


class InvalidCalendar(FieldErrors):
    """The calendar's days or windows cannot be understood."""


class UnknownJobStore(SchedulingError):
    """A setting names a job store that there is not, or that cannot be made of what it says."""


class UnknownExecutor(SchedulingError):
    """No executor has this name."""


class Refused(SchedulingError):
    """The request is understood, but not possible in the present state.

    ``code`` is stable and meant for programs; the message is meant for people.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class EditedMeanwhile(Refused):
    """Somebody else has changed the task since it was read."""


class NodeIsDead(SchedulingError):
    """Another node has declared this one dead; it must stop at once."""


class Unstorable(SchedulingError):
    """The value has no form in JSON that every database takes."""


class ExecutorClosed(SchedulingError):
    """The executor has been shut down and takes no more runs."""


class ProgramFailed(SchedulingError):
    """A program did not start, was ended by a limit, or ended with a code that means failure.

    ``reason`` is stable and meant for programs; ``exit_code`` is None when there is none.
    """

    def __init__(self, reason: str, message: str, exit_code: int | None) -> None:
        self.reason = reason
        self.exit_code = exit_code
        super().__init__(message)


class HttpFailed(SchedulingError):
    """There was no answer to the HTTP request, or it does not mean success."""


class ScratchRefused(SchedulingError):
    """The file does not lie in the scratch folder, or there is none (setting JOBSITE_SCRATCH)."""


class FailedOnPurpose(SchedulingError):
    """The diagnostic function ``fail`` was asked to fail."""
