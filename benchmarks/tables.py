"""Tables of the generated pages, and gains with intervals over images that several runs may share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

RESAMPLES = 10_000


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]) + "\n"


def mean_and_range(hits: Sequence[Tensor]) -> str:
    """Return the mean accuracy over runs in percent, and their range where they differ."""
    values = [100 * float(one.float().mean()) for one in hits]
    spread = "" if max(values) - min(values) < 0.005 else f" ({min(values):.2f} to {max(values):.2f})"
    return f"{np.mean(values):.2f}{spread}"


def gain(
    reference: Sequence[Tensor], other: Sequence[Tensor], images: Sequence[Tensor]
) -> tuple[float, float, float]:
    """Return the mean difference of two methods' hits over runs, and its 95 % bootstrap interval over images.

    An image is drawn with all of its runs: runs on the same images are no new images, and make no interval narrower than the
    images allow.

    Args:
        reference, other: which images were right, a tensor (query,) a run.
        images: number of each image, as the hits are ordered; the same number in two runs is the same image.
    """
    difference = torch.cat([b.double() - a.double() for a, b in zip(reference, other, strict=True)])
    _, place = torch.unique(torch.cat(list(images)), return_inverse=True)
    counts = torch.bincount(place).double().numpy()
    sums = torch.zeros(len(counts), dtype=torch.float64).index_add(0, place, difference).numpy()
    kinds, how_many = np.unique(np.stack([sums, counts]), axis=1, return_counts=True)
    # Images of one kind (runs that won less runs that lost, runs) are alike to the bootstrap.
    drawn = np.random.default_rng(0).multinomial(len(counts), how_many / len(counts), RESAMPLES)
    low, high = np.quantile((drawn @ kinds[0]) / (drawn @ kinds[1]), [0.025, 0.975])
    return float(sums.sum() / counts.sum()), float(low), float(high)


def spoken(found: tuple[float, float, float]) -> str:
    """Return a gain in points with its interval."""
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * part for part in found))


def cells(runs: Sequence[Mapping[str, Tensor]], images: Sequence[Tensor]) -> list[str]:
    """Return a row of accuracies over runs, each but zero-shot's with its gain over that.

    Args:
        runs: what is measured -> hits; zero-shot first.
        images: of each run, as in ``gain``.
    """
    reference, *others = runs[0]
    zero = [run[reference] for run in runs]
    row = [mean_and_range(zero)]
    for name in others:
        hits = [run[name] for run in runs]
        row.append(f"{mean_and_range(hits)}; {spoken(gain(zero, hits, images))}")
    return row
