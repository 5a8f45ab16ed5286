"""Two classifiers on the same images: paired bootstrap of the difference, McNemar's exact test, Holm's correction of many of them.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993; McNemar, Psychometrika 12, 1947 (the exact, binomial form);
Holm, Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from susx.errors import InputError, MismatchError
from susx.seeds import derive_seed

__all__ = ["Comparison", "compare", "holm", "mean_gain"]

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Comparison:
    """``other`` against ``reference`` on the same ``n`` images.

    Attributes:
        gain, low, high: difference of top-1 (other minus reference) and its 95 % paired bootstrap interval.
        p_value: McNemar's exact two-sided p, 1 when the two never differ.
        won, lost: images that only ``other`` gets right, that only ``reference`` gets right.
    """

    n: int
    gain: float
    low: float
    high: float
    p_value: float
    won: int
    lost: int


def compare(reference: Bool[Tensor, " query"], other: Bool[Tensor, " query"], seed: int = 0) -> Comparison:
    """Compare two classifiers image by image, given which images each gets right.

    Resampling pairs changes nothing but how often won, lost and equal pairs are drawn, so the bootstrap is drawn
    from that multinomial: the same distribution as resampling rows, without the rows.

    Raises:
        MismatchError: the two were not measured on the same number of images.
        InputError: no images.
    """
    from scipy.stats import binomtest

    n = len(reference)
    if len(other) != n:
        raise MismatchError(
            f"A paired comparison needs the same images: {n} in one, {len(other)} in the other."
        )
    if not n:
        raise InputError("Nothing to compare: there are no labelled images.")
    won, lost = int((other & ~reference).sum()), int((reference & ~other).sum())
    rng = np.random.default_rng(derive_seed(seed, "paired bootstrap", n))
    drawn = rng.multinomial(n, [won / n, lost / n, max(0.0, 1 - (won + lost) / n)], _RESAMPLES)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, [0.025, 0.975])
    p_value = 1.0 if won + lost == 0 else float(binomtest(won, won + lost, 0.5).pvalue)
    return Comparison(n, (won - lost) / n, float(low), float(high), p_value, won, lost)


def mean_gain(
    reference: Bool[Tensor, " query"], others: Bool[Tensor, "runs query"], seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean gain of several runs over a reference on the same images, and its 95 % paired bootstrap interval.

    Images are resampled, each with what all runs and the reference made of it, as ``mean_interval`` does; of one run this
    is ``compare``. What another draw of the support would change shows in the runs' own accuracies.

    Raises:
        MismatchError: runs and reference were not measured on the same number of images.
        InputError: no runs, or no images.
    """
    if not len(others):
        raise InputError("Nothing to compare: there are no runs.")
    if len(others) == 1:
        alone = compare(reference, others[0], seed)
        return alone.gain, alone.low, alone.high
    runs, n = others.shape
    if len(reference) != n:
        raise MismatchError(
            f"A paired comparison needs the same images: {len(reference)} in one, {n} in the other."
        )
    if not n:
        raise InputError("Nothing to compare: there are no labelled images.")
    # Of an image only the number of runs that won or lost on it matters, from -runs to runs.
    won = others.sum(dim=0) - runs * reference.long()
    shares = torch.bincount(won + runs, minlength=2 * runs + 1).numpy() / n
    gains = np.arange(-runs, runs + 1) / runs
    rng = np.random.default_rng(derive_seed(seed, "paired bootstrap of a mean", n))
    low, high = np.quantile(rng.multinomial(n, shares, _RESAMPLES) @ gains / n, [0.025, 0.975])
    return float(shares @ gains), float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p of each of several tests, corrected so that one false alarm among all is as rare as in a single test.

    >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = largest
    return corrected
