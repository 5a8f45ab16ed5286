"""The 95 % bootstrap interval of an accuracy (Efron & Tibshirani, 1993, percentile interval)."""

from __future__ import annotations

from susx.errors import InputError

__all__ = ["bootstrap_interval"]


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
