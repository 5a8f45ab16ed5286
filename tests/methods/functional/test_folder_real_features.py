"""What a whole folder gains on real features: DTD with and without its domain in the pool, and without any pool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

REAL = os.environ.get("SUSX_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not REAL, reason="SUSX_REAL_DATA names no folder of real features")


def test_a_folder_gains_over_the_inductive_classifier_and_over_prompts() -> None:
    """Points of top-1 on the whole of DTD's test split (n = 1,692), each some two points below what was measured."""
    from benchmarks.label_study import Real, inductive_of
    from susx.methods.functional.folder_prototypes import inductive_from_folder, label_folder

    cells = {cell.name: cell for cell in Real(Path(REAL)).cells() if cell.name.startswith("DTD")}
    for name, least in (("DTD in", 55.0), ("DTD out", 51.5)):
        cell = cells[name]
        found = label_folder(inductive_of(cell), cell.query).logits.argmax(dim=1) == cell.labels
        assert 100 * float(found.double().mean()) > least
    cell = cells["DTD out"]
    alone = inductive_from_folder(cell.text, 100.0, cell.query)
    before = (alone.logits(cell.query).argmax(dim=1) == cell.labels).double().mean()
    after = (label_folder(alone, cell.query).logits.argmax(dim=1) == cell.labels).double().mean()
    assert float(after - before) > 0.05
    strangers = torch.cat([cell.query, Real(Path(REAL)).of("food101")[:700]])
    score = label_folder(inductive_of(cell), strangers).none_of_these
    assert (score[1692:] > score[:1692].quantile(0.9)).double().mean() > 0.9
