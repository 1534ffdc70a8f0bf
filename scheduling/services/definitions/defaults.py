"""The tasks that come with the apps: each app's default_tasks.yaml, loaded again whenever somebody asks."""

from __future__ import annotations

from pathlib import Path

from django.apps import apps

from scheduling.services.actor import Actor
from scheduling.services.definitions.merging import YAML, Summary, load


def default_task_files() -> list[Path]:
    """One for each installed app that has such a file."""
    files = [Path(config.path) / "default_tasks.yaml" for config in apps.get_app_configs()]
    return [path for path in files if path.is_file()]


def reload(*, force: bool = False, dry_run: bool = False, actor: Actor = YAML) -> Summary:
    """Loads the files of all apps; what a person has changed or deleted stays so, unless ``force``d.

    One summary of them all.
    """
    total = Summary()
    for path in default_task_files():
        summary = load(path.read_text(encoding="utf-8"), force=force, dry_run=dry_run, actor=actor)
        for name in Summary.__slots__:
            getattr(total, name).extend(getattr(summary, name))
    return total
