"""The door through which these tests go."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scheduling.definitions.files import Loading


@pytest.fixture
def load(db: None, tmp_path: Path) -> Loading:
    """``load(yaml_text, "--force", …)``."""
    return Loading(tmp_path / "tasks.yaml")
