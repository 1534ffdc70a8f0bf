"""One nursery of scheduler processes for all of these tests; a ward in it for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pytest import TempPathFactory

from tests.conftest import database_url
from tests.faults.nursery import Nursery
from tests.faults.ward import Ward


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: TempPathFactory, django_db_setup: None) -> Iterator[Nursery]:
    environment = {"DATABASE_URL": database_url(), "SECRET_KEY": settings.SECRET_KEY}
    made = Nursery(tmp_path_factory.mktemp("nursery"), environment)
    yield made
    made.kill_all()


@pytest.fixture
def ward(nursery: Nursery, transactional_db: None) -> Iterator[Ward]:
    made = Ward(nursery)
    yield made
    nursery.kill_all()


class Recorded:
    """The steps of this database's engine: recorded once, by whoever needs them first."""

    file: Path | None = None


@pytest.fixture
def recorded(ward: Ward) -> Path:
    """A file of the steps that an undisturbed scheduler comes by (failpoints.read_steps)."""
    if Recorded.file is None:
        Recorded.file = ward.record()
    return Recorded.file
