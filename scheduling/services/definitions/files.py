"""The tasks that an installation begins with: a file in each app that has some."""

from __future__ import annotations

from pathlib import Path

from django.apps import apps

NAME = "default_tasks.yaml"


def default_files() -> list[tuple[str, str]]:
    """(the app's name, the file's text) of each app that has one."""
    paths = [(config.name, Path(config.path) / NAME) for config in apps.get_app_configs()]
    return [(name, path.read_text("utf-8-sig")) for name, path in paths if path.is_file()]
