"""What the forms say about the parameters of the instances' functions: sentences of docstrings, for translation.

Gettext cannot collect docstrings. A test compares this with them.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

PARAMETER_WORDS = (
    _("Names of instances; none: all active ones."),
    _("A session whose failed instances are visited again, and no others."),
    _("Kind of database to names and patterns (as of a shell) of accounts that are not looked at."),
    _("The instance's name."),
    _("The kind of period."),
    _("The first day of the range."),
    _("The last day of the range; none: the day the task runs."),
    _("Names of instances; none: all of them."),
    _("Months that days stay."),
    _("Months that weeks stay."),
    _("Months that months stay."),
    _("Months that quarters stay."),
    _("Months that jumps in size stay."),
    _("Files written to within so many days stay."),
    _("Shell pattern of the files' names."),
    _("Absolute paths under the permitted folders; none: all permitted ones."),
    _("Months beyond this one."),
    _("Months that sizes stay, this one not counted; none: as JOBSITE_KEEP_SIZES_MONTHS says."),
    _("Months beyond this one that must have a partition."),
    _("Size beyond which a partition is too large."),
    _("Days that they stay; none: as JOBSITE_KEEP_SESSIONS_DAYS says."),
    _("Days that changes stay; none: as JOBSITE_KEEP_ACCOUNT_CHANGES_DAYS says."),
    _("The kind of database."),
    _("Names of instances."),
    _("One statement that reads."),
    _("The database to run it in; empty: the one that each instance connects to."),
    _("Rows that are fetched from each instance, at most."),
    _("Seconds that it may take on each instance."),
    _("Statements with semicolons between them."),
    _("The database to run them in; empty: the one that each instance connects to."),
    _("Seconds that all of them may take on each instance."),
    _("Their names; none: the one that the instance connects to."),
    _("Files of each database that are kept."),
    _("Restore each into a database made for that, and remove that one again."),
)
