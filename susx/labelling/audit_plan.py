"""Which labels an audit looks at, and which statements it will make: all fixed before anybody answers.

Labels are ordered by confidence and cut into strata, of which the sample takes the same share (``audit_bounds``). A *region* is the first j
strata: the labels above a threshold. What is stated of which region:

* ``asked``: one region that the user named, all of it by default. One statement, the whole risk.
* ``quarters``: the most confident 25, 50, 75 and 100 %. All four hold together: each has a quarter of the risk (Bonferroni).
* ``error``: the largest region with at most that share of wrong labels. Regions are tested from a first one on, each larger than the one
  before, all at the whole risk, up to the first that fails: fixed-sequence testing (Maurer, Hothorn & Lehmacher, 1995; as in Learn then Test,
  Angelopoulos et al., 2021). Whatever lies behind the first failure is not released, so searching costs nothing.
  Where the sample is drawn and where the sequence begins is what releases most in expectation if the labels' own probabilities are right, or
  wrong by half or twice the odds. A bad guess costs labels that are not released, never the promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from susx.labelling.audit_bounds import share_at_most
from susx.seeds import derive_seed

__all__ = ["Design", "design_for_error", "design_of_region"]

STRATA = 12
_SMALLEST_STRATUM = 25
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_ODDS = (0.5, 1.0, 2.0)
_DRAWS = 400


@dataclass(frozen=True)
class Design:
    """A sample and its statements.

    Attributes:
        sizes: labels in each stratum, the most confident first; together the labels that are audited.
        drawn: labels of each stratum that are looked at.
        regions: numbers of strata of the regions that statements are about, in the order in which they are tested.
    """

    sizes: tuple[int, ...]
    drawn: tuple[int, ...]
    regions: tuple[int, ...]


def design_of_region(size: int, n: int, *, quarters: bool) -> Design:
    """Return the design of statements about the ``size`` most confident labels, as a whole or by quarters."""
    sizes, drawn = _strata(size, n)
    whole = len(sizes)
    parts = (whole // 4, whole // 2, 3 * whole // 4, whole) if quarters and whole % 4 == 0 else (whole,)
    return Design(sizes, drawn, parts)


def design_for_error(
    confidence: Float64[np.ndarray, " labels"], n: int, error: float, risk: float, seed: int
) -> Design:
    """Return the design that releases most labels in expectation.

    Args:
        confidence: of every label, in falling order: the probability that it is right, as far as the fit knows.
        n: labels that a person will look at.
        error: largest share of wrong labels among those released.
        risk: probability that the promise may fail.
        seed: of the expectation's draws.
    """
    rng = np.random.default_rng(derive_seed(seed, "audit design", n))
    best, most = None, -1.0
    for size in dict.fromkeys(max(1, round(share * len(confidence))) for share in _SHARES):
        sizes, drawn = _strata(size, n)
        limits = _limits(sizes, drawn, error, risk)
        passed = _passed(confidence[:size], sizes, drawn, limits, rng)
        released = np.cumsum(sizes)
        for first in range(len(sizes)):
            if limits[first] < 0:
                continue
            run = passed[:, first:].cumprod(axis=1).sum(axis=1)  # regions passed before the first failure
            worth = float(np.where(run > 0, released[np.maximum(first + run - 1, 0)], 0).mean())
            if worth > most:
                best, most = Design(sizes, drawn, tuple(range(first + 1, len(sizes) + 1))), worth
    if best is None:  # so few that not even a faultless sample could show it
        return design_of_region(len(confidence), n, quarters=False)
    return best


def _limits(sizes: Sequence[int], drawn: Sequence[int], error: float, risk: float) -> list[int]:
    """Return for each region the largest number of wrong ones in the sample that still shows the error; -1 where none does."""
    limits = []
    for strata in range(1, len(sizes) + 1):
        parts, allowed = (drawn[:strata], sizes[:strata]), int(error * sum(sizes[:strata]))
        limit = -1
        while limit < allowed and share_at_most(limit + 1, allowed + 1, *parts) <= risk:
            limit += 1
        limits.append(limit)
    return limits


def _passed(
    confidence: Float64[np.ndarray, " labels"],
    sizes: Sequence[int],
    drawn: Sequence[int],
    limits: Sequence[int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return which regions would pass in draws of wrong labels, for each guess of how right the confidences are."""
    ends = np.cumsum(sizes)
    doubt = np.array([1 - part.mean() for part in np.split(confidence, ends[:-1])]).clip(1e-4, 1 - 1e-4)
    rows = []
    for odds in _ODDS:
        share = odds * doubt / (1 - doubt + odds * doubt)
        wrong = rng.binomial(np.array(drawn), share, size=(_DRAWS, len(sizes)))
        rows.append(wrong.cumsum(axis=1) <= np.array(limits))
    return np.concatenate(rows).astype(np.int64)


def _strata(size: int, n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return sizes of strata and of their samples, in proportion as nearly as whole numbers allow; fewer strata where they would be small."""
    n = min(n, size)
    count = next(k for k in (STRATA, 4, 1) if k == 1 or (size // k >= _SMALLEST_STRATUM and n // k >= 2))
    samples = np.diff(np.arange(count + 1) * n // count)
    ends = np.rint(size * np.cumsum(samples) / n).astype(int)
    return tuple(int(v) for v in np.diff(ends, prepend=0)), tuple(int(v) for v in samples)
