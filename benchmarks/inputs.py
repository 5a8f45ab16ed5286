"""Features to measure on: real CLIP features where ``SUSX_REAL_DATA`` is set, else synthetic of that size."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from susx.methods import Evidence, ImageFeatures, TipX
from susx.methods.unit_rows import checked_unit_rows
from susx.search import Optimum

SIZES = {"dtd": (1128, 1692, 752, 47), "sun397": (1985, 1985, 3176, 397)}
"""Tuning rows, test rows, support rows and classes of the two data sets."""


@dataclass(frozen=True)
class Inputs:
    """What the published search is given, and a test split for the divergences."""

    source: str
    text: Tensor
    query: Tensor
    labels: Tensor
    test: Tensor
    support: Tensor
    support_labels: Tensor

    def of_unit_norm(self) -> Inputs:
        """Return the same with rows of unit norm, as every method makes them of its input.

        Features that were kept in float16 are off by up to 5e-4, which moves 2 to 3 rows of a count: without this a loop over the rows as they
        lie would be compared with a search over others.
        """
        rows = {
            name: checked_unit_rows(getattr(self, name), name)
            for name in ("text", "query", "test", "support")
        }
        return replace(self, **rows)

    def log_signature(self, rows: Tensor) -> Tensor:
        """Return log-softmax of cosines over the published temperature 0.5, in float64."""
        return (rows @ self.text.T).double().div(0.5).log_softmax(1)

    def evidence(self) -> Evidence:
        """Return text classifier and support, for a method's search."""
        return Evidence(self.text, 100.0, self.support, self.support_labels)

    def search(self, grid: Mapping[str, tuple[float, ...]]) -> Optimum:
        """Return the optimum of TIP-X with the published plain sum, divergences and psi computed anew."""
        method = TipX(weighting="sum")
        return method.search(self.evidence(), ImageFeatures(self.query), self.labels, grid)

    def psi(self) -> tuple[float, float]:
        """Return the scale and offset that ``search`` uses."""
        state = TipX(weighting="sum").fit(self.evidence())
        return state.psi_scale, state.psi_offset


def published_grid() -> dict[str, tuple[float, ...]]:
    """Return the published 50 gammas, 20 alphas and 200 betas, without the 0 that our search puts before."""
    grid = TipX().grid("val")
    return {"gamma": grid["gamma"][1:], "alpha": grid["alpha"][1:], "beta": grid["beta"]}


def synthetic(queries: int, tests: int, support: int, classes: int, dim: int = 512, seed: int = 0) -> Inputs:
    """Return unit rows scattered around class directions that share most of their length, as CLIP's do."""
    generator = torch.Generator().manual_seed(seed)

    def rows(centres: Tensor, noise: float) -> Tensor:
        scattered = centres + noise * torch.randn(len(centres), dim, generator=generator) / dim**0.5
        return torch.nn.functional.normalize(scattered)

    text = rows(torch.ones(classes, dim) / dim**0.5, 0.8)
    labels = torch.randint(0, classes, (queries,), generator=generator)
    support_labels = torch.arange(support) % classes
    test_labels = torch.randint(0, classes, (tests,), generator=generator)
    return Inputs(
        source="synthetic",
        text=text,
        query=rows(text[labels], 1.5),
        labels=labels,
        test=rows(text[test_labels], 1.5),
        support=rows(text[support_labels], 1.2),
        support_labels=support_labels,
    )


def features(name: str) -> Inputs:
    """Return DTD (16 pool images a class by similarity to the class prompt) or SUN397 (8 images a class)."""
    root = os.environ.get("SUSX_REAL_DATA")
    if not root:
        return synthetic(*SIZES[name])
    folder = Path(root) / "clip-vit-b-32"
    text = torch.from_numpy(np.load(folder / name / "text.npy")).float()

    def load(stem: str) -> Tensor:
        return torch.load(folder / name / f"{stem}.pt", map_location="cpu", weights_only=True)

    values, labels = load("val_f").float(), load("val_l").long()
    if name == "dtd":
        pool = torch.from_numpy(np.load(folder / "pool" / "features.npy")).float()
        support = pool[(text @ pool.T).topk(16, dim=1).indices.flatten()]
        support_labels = torch.arange(len(text)).repeat_interleave(16)
        return Inputs(
            "real", text, values, labels, load("test_f").float(), support, support_labels
        ).of_unit_norm()
    # SUN397 comes with one split of 3,970 rows: every second one tunes, the others are the test split.
    support, support_labels = (
        load("keys_8shots").float().T.contiguous(),
        load("values_8shots").float().argmax(1),
    )
    return Inputs(
        "real", text, values[::2], labels[::2], values[1::2], support, support_labels
    ).of_unit_norm()
