"""The mean over draws and data sets, with a bootstrap interval that resamples the images of all of them together.

A draw of shots is measured on the same images as the next, a drawn folder on others that partly coincide: an image is resampled once,
with whatever all draws made of it. Data sets are resampled in the same replicate, each its own images, so that the interval
of a mean over data sets is narrower than theirs and holds no draw of the data sets themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from susx.errors import InputError
from susx.seeds import derive_seed

__all__ = ["Pooled", "over_draws", "pooled_mean"]

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Pooled:
    """A mean with its 95 % percentile interval, and the two-sided p of its being 0.

    The p is that of a normal with the bootstrap's standard error: a count of resamples knows none below 1 in 10,000, which a
    correction for hundreds of comparisons asks for.
    """

    value: float
    low: float
    high: float
    p_value: float


def over_draws(
    images: Sequence[np.ndarray], values: Sequence[np.ndarray]
) -> Float64[np.ndarray, "images draws"]:
    """Return what each image was worth in each draw, NaN where a draw lacks it.

    >>> over_draws([np.array([4, 7]), np.array([7, 9])], [np.array([True, False]), np.array([True, True])])
    array([[ 1., nan],
           [ 0.,  1.],
           [nan,  1.]])
    """
    everything = np.unique(np.concatenate(images))
    table = np.full((len(everything), len(images)), np.nan)
    for draw, (rows, worth) in enumerate(zip(images, values, strict=True)):
        table[np.searchsorted(everything, rows), draw] = worth
    return table


def pooled_mean(parts: Sequence[Float64[np.ndarray, "_ _"]], seed: int = 0) -> Pooled:
    """Return the mean over data sets of the mean over draws of the mean over images.

    Args:
        parts: one table a data set, see ``over_draws``.
        seed: of the resampling.

    Raises:
        InputError: no data set, or one whose draw holds no image.
    """
    from scipy.stats import norm

    if not parts or any(not part.size or bool(np.isnan(part).all(axis=0).any()) for part in parts):
        raise InputError("A mean over draws needs data sets with images in every draw; there are none.")
    value = float(np.mean([np.nanmean(part, axis=0).mean() for part in parts]))
    drawn = np.mean(
        [_resampled(part, derive_seed(seed, "pooled", at, *part.shape)) for at, part in enumerate(parts)],
        axis=0,
    )
    low, high = np.quantile(drawn, [0.025, 0.975])
    error = float(drawn.std(ddof=1))
    p_value = float(2 * norm.sf(abs(value) / error)) if error > 0 else float(value == 0)
    return Pooled(value, float(low), float(high), p_value)


def _resampled(part: Float64[np.ndarray, "images draws"], seed: int) -> Float64[np.ndarray, " resamples"]:
    """Return the mean of each resample. Images of which all draws made the same are counted, not listed."""
    absent = np.isnan(part)
    patterns, counts = np.unique(np.where(absent, np.inf, part), axis=0, return_counts=True)
    there = np.isfinite(patterns)
    rng = np.random.default_rng(seed)
    means = np.empty(_RESAMPLES)
    step = max(1, 20_000_000 // len(patterns))
    for start in range(0, _RESAMPLES, step):
        size = min(step, _RESAMPLES - start)
        weights = rng.multinomial(len(part), counts / len(part), size).astype(np.float64)
        held = weights @ there
        sums = weights @ np.where(there, patterns, 0.0)
        # A resample without any image of a draw says nothing of it.
        means[start : start + size] = np.nanmean(
            np.where(held > 0, sums / np.maximum(held, 1), np.nan), axis=1
        )
    return means
