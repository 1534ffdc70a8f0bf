"""What can go wrong with managed instances, as one tree. A class's docstring is its default message."""

from __future__ import annotations


class InstancesError(Exception):
    """Something went wrong with a managed instance."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")


class OptionsInvalid(InstancesError):
    """Some connection options are not acceptable."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        super().__init__(" ".join(sentences))


class DialectError(InstancesError):
    """The managed database could not be asked."""

    #: Stable, for programs.
    code = "failed"


class DriverMissing(DialectError):
    """The Python driver of this kind of database is not installed."""

    code = "driver_missing"


class Unreachable(DialectError):
    """The server cannot be reached."""

    code = "unreachable"


class AccessDenied(DialectError):
    """The server refuses this user name and password."""

    code = "access_denied"


class CredentialDisabled(DialectError):
    """The credential is not active."""

    code = "credential_disabled"


class TimedOut(DialectError):
    """The server did not answer in time."""

    code = "timed_out"


class Stopped(DialectError):
    """The statement was ended because somebody has cancelled it."""

    code = "cancelled"


class QueryFailed(DialectError):
    """The server refuses the question."""

    code = "query_failed"


class RightsMissing(DialectError):
    """This user may not do all that this needs."""

    code = "rights_missing"


class NothingVisible(DialectError):
    """The server shows this user no database at all."""

    code = "nothing_visible"


class NotSupported(DialectError):
    """This kind of database has no such thing."""

    code = "not_supported"


class StatementRefused(DialectError):
    """The statement may not be run this way."""

    code = "statement_refused"


class ProgramMissing(DialectError):
    """A program that this needs is not installed."""

    code = "program_missing"


class ProgramFailed(DialectError):
    """A program has failed."""

    code = "program_failed"


class BackupsFailed(InstancesError):
    """Some databases could not be backed up."""


class BackupDamaged(DialectError):
    """The file is not the backup that it should be."""

    code = "backup_damaged"


class PathRefused(DialectError):
    """The file lies outside the permitted folders, or is none."""

    code = "path_refused"


class WrongState(InstancesError):
    """The session or record is not in a state that allows this."""


class CollectionFailed(InstancesError):
    """No instance could be collected."""


class UnknownInstance(InstancesError):
    """No active instance has this name."""


class FileNotUnderstood(InstancesError):
    """The file cannot be read as a list of instances."""


class ConfigurationInvalid(InstancesError):
    """Something in the configuration is not as it must be."""


class PartitionsUnhealthy(InstancesError):
    """The partitions need somebody's attention."""


class FolderRefused(InstancesError):
    """The folder lies outside the permitted folders."""


class CleanupIncomplete(InstancesError):
    """Some files could not be removed."""
