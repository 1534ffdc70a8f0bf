"""Tasks as YAML: read with line numbers, checked one by one, merged with what people have edited, and written."""

from __future__ import annotations

from scheduling.services.definitions.defaults import default_task_files, reload
from scheduling.services.definitions.exporting import export
from scheduling.services.definitions.fields import DECLARED, function_defaults
from scheduling.services.definitions.merging import Summary, load
from scheduling.services.definitions.reading import Problem
from scheduling.services.definitions.setting import give

__all__ = [
    "DECLARED",
    "Problem",
    "Summary",
    "default_task_files",
    "export",
    "function_defaults",
    "give",
    "load",
    "reload",
]
