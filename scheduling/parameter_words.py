"""What the forms say about the parameters of the functions that come along: sentences of docstrings, for translation.

Gettext cannot collect docstrings. A test compares this with them.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

PARAMETER_WORDS = (
    _("The program and its arguments, one by one."),
    _("Variables for the program, beside PATH, HOME, TMPDIR, LANG and JOBSITE_*."),
    _("The exit codes that mean success; only 0 if not given."),
    _("The code. Python is compiled when the task is saved, and refused where that fails."),
    _("What it is written in."),
    _("Where to; http or https."),
    _("The method."),
    _("Headers to send."),
    _("What to send: a text as it is, anything else as JSON."),
    _("For everything together."),
    _("Statuses that mean success; 200 to 299 if not given."),
    _("How long, at most a day."),
    _("How far, at most 10 000."),
    _("How long one step takes."),
    _("What the error says."),
    _("Any JSON value."),
    _("The file, relative to the scratch folder or inside it; it is made when it is missing."),
    _("The line; {execution_id} and {attempt} are replaced by those of the run."),
)
