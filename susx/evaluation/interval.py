"""95 % intervals over images: bootstrap (Efron & Tibshirani, 1993, percentile interval) of one run and of a mean of runs, and exact."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from susx.errors import InputError
from susx.seeds import derive_seed

__all__ = ["bootstrap_interval", "exact_interval", "mean_interval"]

_RESAMPLES = 10_000


def bootstrap_interval(correct: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of ``correct / n``.

    The number of right answers in a resample of n images is binomial with probability correct / n, so the interval
    is read from that distribution: what infinitely many resamples give, with no seed.

    Raises:
        InputError: no images, more right than there are, or a level outside (0, 1).

    >>> low, high = bootstrap_interval(60, 100)
    >>> round(low, 2), round(high, 2)
    (0.5, 0.69)
    """
    from scipy.stats import binom

    if n < 1 or not 0 <= correct <= n:
        raise InputError(f"An interval needs 0 to n right answers of n >= 1 images, found {correct} of {n}.")
    if not 0 < level < 1:
        raise InputError(f"The level of an interval lies between 0 and 1, found {level}.")
    tail = (1 - level) / 2
    low, high = binom.ppf([tail, 1 - tail], n, correct / n)
    return float(low) / n, float(high) / n


def exact_interval(correct: int, n: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of a share (1934), which has a width also where all are right: a resample of such images is sure.

    >>> low, high = exact_interval(18, 20)
    >>> round(low, 3), round(high, 3)
    (0.683, 0.988)
    >>> round(exact_interval(100, 100)[0], 3)
    0.964
    """
    from scipy.stats import binomtest

    interval = binomtest(correct, n).proportion_ci(0.95, method="exact")
    return float(interval.low), float(interval.high)


def mean_interval(correct: Bool[Tensor, "runs query"], seed: int = 0) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean accuracy of several runs on the same images.

    Images are resampled, each with what all runs made of it: the same kind of interval as that of one run, to which it
    falls back. It does not hold what another draw of the support would change; the runs' own accuracies show that.

    Raises:
        InputError: no run, or no images.
    """
    if not correct.numel():
        raise InputError(f"An interval needs runs and images, found {tuple(correct.shape)}.")
    runs, n = correct.shape
    if runs == 1:
        return bootstrap_interval(int(correct.sum()), n)
    # Of an image only the number of runs that got it right matters, so counts of those are resampled, not rows.
    shares = torch.bincount(correct.sum(dim=0), minlength=runs + 1).numpy() / n
    rng = np.random.default_rng(derive_seed(seed, "bootstrap of a mean", n))
    means = rng.multinomial(n, shares, _RESAMPLES) @ np.arange(runs + 1) / (n * runs)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
