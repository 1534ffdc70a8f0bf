"""Each safeguard that ``benchmarks/mutants.py`` takes away is where it looks for it."""

from __future__ import annotations

import pytest

from benchmarks.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize(
    "mutant", MUTANTS, ids=lambda mutant: f"{mutant.name} {' '.join(mutant.vendors)}".strip()
)
def test_no_mutant_is_stale(mutant: Mutant) -> None:
    for name, edits in mutant.edits.items():
        text = (ROOT / name).read_text()
        assert [old for old, _new in edits if old not in text] == []
