"""What stops the start, by name."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks


@pytest.mark.parametrize(("beat", "lease"), [(4.0, 8.0), (60.0, 15.0), (0.5, 1.0)])
def test_a_lease_that_two_beats_outlast_is_refused(settings: Any, beat: float, lease: float) -> None:
    """Pain 9: settings under which a healthy node would be declared dead are not taken."""
    settings.SCHEDULER = settings.SCHEDULER | {"beat_seconds": beat, "lease_seconds": lease}
    (found,) = [message for message in run_checks() if message.id == "jobsite.E004"]
    assert f"JOBSITE_LEASE_SECONDS={lease:g}" in found.msg
    assert f"JOBSITE_BEAT_SECONDS={beat:g}" in found.msg
    assert f"more than {2 * beat:g} seconds" in str(found.hint)


@pytest.mark.parametrize(("beat", "lease"), [(4.0, 15.0), (0.5, 1.1)])
def test_a_longer_lease_is_taken(settings: Any, beat: float, lease: float) -> None:
    settings.SCHEDULER = settings.SCHEDULER | {"beat_seconds": beat, "lease_seconds": lease}
    assert not [message for message in run_checks() if message.id == "jobsite.E004"]
