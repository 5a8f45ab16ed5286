"""The bound of wrong labels against complete enumeration: it is never broken more often than it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import hypergeom

from susx.errors import InputError
from susx.labelling.audit_bounds import most_wrong, share_at_most


def distribution(wrong: tuple[int, ...], drawn: tuple[int, ...], sizes: tuple[int, ...]) -> np.ndarray:
    """Return the exact probability of each number of wrong labels in a stratified sample."""
    total = np.ones(1)
    for bad, n, size in zip(wrong, drawn, sizes, strict=True):
        total = np.convolve(total, hypergeom.pmf(np.arange(n + 1), size, bad, n))
    return total


DESIGNS = [
    ((6,), (14,)),
    ((4, 4), (10, 10)),
    ((4, 4), (9, 10)),
    ((2, 3), (8, 8)),
    ((3, 3, 3), (7, 8, 7)),
    ((5, 1), (6, 9)),
    ((2, 2, 2, 2), (5, 5, 5, 5)),
    ((5, 5), (5, 5)),
    ((1, 1), (6, 6)),
]


@pytest.mark.parametrize(("drawn", "sizes"), DESIGNS)
@pytest.mark.parametrize("risk", [0.01, 0.05, 0.25])
def test_for_every_spread_of_wrong_labels_the_risk_is_kept(
    drawn: tuple[int, ...], sizes: tuple[int, ...], risk: float
) -> None:
    """All ways to spread wrong labels over the strata, all samples: exceeded with at most the risk."""
    bounds = np.array([most_wrong(s, drawn, sizes, risk) for s in range(sum(drawn) + 1)])
    for wrong in itertools.product(*(range(size + 1) for size in sizes)):
        exceeded = distribution(wrong, drawn, sizes)[bounds < sum(wrong)].sum()
        assert exceeded <= risk + 1e-12, wrong


@pytest.mark.parametrize("errors", [0, 1, 2, 5, 20])
@pytest.mark.parametrize(("n", "size"), [(100, 4000), (100, 300), (300, 400), (59, 9000)])
def test_it_is_close_to_the_hypergeometric_bound(n: int, size: int, errors: int) -> None:
    """One stratum's exact bound is not much below, from a few of many to most of all."""
    wrong = np.arange(errors, min(size - n + errors, 10_000) + 1)
    exact = int(wrong[hypergeom.cdf(errors, size, wrong, n) > 0.05].max())
    found = most_wrong(errors, [n], [size], 0.05)
    assert exact <= found <= exact + 2 + 0.08 * exact


def test_more_wrong_labels_are_never_likelier() -> None:
    """What the search by halves relies on."""
    drawn, sizes = [8, 9, 8], [90, 100, 91]
    for errors in range(10):
        shares = [share_at_most(errors, wrong, drawn, sizes) for wrong in range(errors, 260)]
        assert all(b <= a + 1e-12 for a, b in itertools.pairwise(shares))


@pytest.mark.parametrize(
    ("errors", "drawn", "sizes", "risk"),
    [(5, [4], [9], 0.05), (0, [10], [9], 0.05), (0, [1], [9], 0.5), (0, [5, 3], [4, 9], 0.05)],
)
def test_impossible_samples_are_refused(errors: int, drawn: list[int], sizes: list[int], risk: float) -> None:
    """The message says what was expected."""
    with pytest.raises(InputError, match=r"A bound needs|The risk of a bound"):
        most_wrong(errors, drawn, sizes, risk)
