"""The search that weighs what was made once, against a fit and a count at every point of the grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from susx.methods import Ape, Calip, Evidence, ImageFeatures, Proker
from susx.methods.exhaustive import search_exhaustively

CLASSES, DIM, EACH, PATCHES = 5, 16, 8, 3
GRIDS: list[tuple[Any, dict[str, tuple[float, ...]]]] = [
    (Ape(), {"alpha": (0.0, 1.0, 30.0), "beta": (0.5, 4.0), "gamma": (0.0, 0.3)}),
    (Proker(), {"alpha": (0.0, 0.1, 1.0), "beta": (0.3, 3.0), "lam": (0.01, 1.0)}),
    (Calip(), {"textual": (0.0, 0.1, 1.0), "visual": (0.0, 0.5, 4.0)}),
]


def _unit(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)


@pytest.mark.parametrize("folds", [0, 2])
@pytest.mark.parametrize(("method", "grid"), GRIDS, ids=[method.name for method, _ in GRIDS])
def test_it_counts_as_the_search_of_every_point_does(
    method: Any, grid: dict[str, tuple[float, ...]], folds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With validation images and with folds of the support, in blocks smaller than the images."""
    monkeypatch.setattr("susx.methods.ape._BLOCK_NUMBERS", 300)
    monkeypatch.setattr("susx.methods.calip._TUNED_AT_ONCE", 7)
    draw = torch.Generator().manual_seed(0)
    text = _unit(torch.randn(CLASSES, DIM, generator=draw) + 0.4)
    labels = torch.arange(CLASSES).repeat(EACH)
    near = _unit(text[labels] + 1.2 * torch.randn(len(labels), DIM, generator=draw) / DIM**0.5)
    patches = _unit(torch.randn(len(labels), PATCHES, DIM, generator=draw) + near[:, None])
    evidence = Evidence(text, 20.0, near, labels, support_patches=patches)
    fold = torch.arange(len(labels)) // CLASSES % folds if folds else None
    rows = near if folds else _unit(near + 0.5 * torch.randn(len(labels), DIM, generator=draw) / DIM**0.5)
    query = ImageFeatures(rows, patches)
    found = method.search(evidence, query, labels, grid, fold)
    # One count for all folds, as the search takes it: a class's weight is by its images in the whole support.
    plain = replace(method, nominal=float(EACH)) if hasattr(method, "nominal") else method
    expected = search_exhaustively(plain, evidence, query, labels, grid, fold)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.values == expected.values
    assert len(np.unique(found.counts)) > 2, "the grid tells nothing apart"
