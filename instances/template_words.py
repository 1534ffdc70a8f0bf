"""What the form of a template says: the texts of task_templates.yaml, for translation.

Gettext cannot collect YAML. A test compares this with the file.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

TEMPLATE_WORDS = (
    _("Back up databases"),
    _("Writes databases of one instance into files every day, checks them, and keeps the newest ones."),
    _("Instance"),
    _("The instance's name."),
    _("Databases"),
    _("One a line; none is the one that the instance connects to."),
    _("Files to keep"),
    _("Of each database; older ones are removed."),
    _("Try a restore"),
    _("Restores each into a database made for that, and removes that one again."),
    _("Hour"),
    _("Minute"),
    _("Clean up log files"),
    _("Removes old log files every day, in folders that the installation permits (JOBSITE_LOG_ROOTS)."),
    _("Folders"),
    _("Absolute paths, one a line; none is all permitted ones."),
    _("Names of files"),
    _("A pattern as of a shell."),
    _("Days to keep"),
)
