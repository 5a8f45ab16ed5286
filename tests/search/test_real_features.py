"""The exact search on real CLIP features against exhaustive evaluation."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from susx.methods import TipX
from susx.search import Grid, search_cache

ROOT = os.environ.get("SUSX_REAL_DATA")


def load(name):
    """Return a tensor of the DTD folder."""
    path = Path(ROOT) / "clip-vit-b-32" / "dtd" / name
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.mark.skipif(not ROOT, reason="SUSX_REAL_DATA names no folder of real CLIP features")
def test_every_point_equals_exhaustive_evaluation_on_dtd():
    """On 1,128 DTD rows and 752 pool images, 1,224 points of the published grid give the same counts."""
    folder = Path(ROOT) / "clip-vit-b-32"
    text = torch.from_numpy(np.load(folder / "dtd" / "text.npy")).float()
    pool = torch.from_numpy(np.load(folder / "pool" / "features.npy")).float()
    query, labels = load("val_f.pt").float(), load("val_l.pt").long()
    support = pool[(text @ pool.T).topk(16, dim=1).indices.flatten()]
    support_labels = torch.arange(len(text)).repeat_interleave(16)
    query_log, support_log = ((rows @ text.T).double().div(0.5).log_softmax(1) for rows in (query, support))
    zero_shot, psi = 100 * query @ text.T, (100.0, 0.1)
    full = {name: np.array(values) for name, values in TipX().grid("val").items()}
    grid = Grid(full["alpha"][::4], full["beta"][::50], full["gamma"])

    one_hot = torch.nn.functional.one_hot(support_labels, len(text)).double()
    divergence = torch.stack([(p.exp() * (p - support_log)).sum(1) for p in query_log])
    summed = (psi[0] * divergence + psi[1]) @ one_hot
    affinity = query.double() @ support.double().T
    gammas = torch.from_numpy(grid.gammas)[:, None, None]
    counts = np.empty((len(grid.gammas), len(grid.alphas), len(grid.betas)), dtype=np.int64)
    for b, beta in enumerate(grid.betas):
        cache = (-beta * (1 - affinity)).exp() @ one_hot
        for a, alpha in enumerate(grid.alphas):
            logits = zero_shot + alpha * cache - gammas * summed
            counts[:, a, b] = (logits.argmax(dim=2) == labels).sum(dim=1).numpy()

    found = search_cache(zero_shot, query, support, support_labels, labels, grid=grid, divergence=summed)
    np.testing.assert_array_equal(found, counts)
    assert found.max() > counts[0, 0, 0]
