"""Intervals and paired tests agree with resampling rows and with the textbook."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom

from susx.errors import InputError, MismatchError
from susx.evaluation import bootstrap_interval, compare
from susx.evaluation.comparison import mean_gain


def test_interval_is_what_resampling_rows_gives() -> None:
    """Ten thousand resamples of the rows give the same percentiles."""
    rng = np.random.default_rng(0)
    rows = np.arange(500) < 310
    drawn = rows[rng.integers(0, 500, (10_000, 500))].mean(axis=1)
    assert bootstrap_interval(310, 500) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.003)


def test_interval_covers() -> None:
    """Over many samples the interval holds the true accuracy close to 95 times in 100."""
    rng = np.random.default_rng(1)
    held = [
        low <= 0.6 <= high
        for low, high in (bootstrap_interval(int(k), 400) for k in rng.binomial(400, 0.6, 600))
    ]
    assert 0.92 < np.mean(held) < 0.98


def test_interval_ends() -> None:
    """All right and all wrong give an interval of one point; nonsense is refused."""
    assert bootstrap_interval(7, 7) == (1.0, 1.0)
    assert bootstrap_interval(0, 7) == (0.0, 0.0)
    for correct, n in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(InputError):
            bootstrap_interval(correct, n)


def _pair(won: int, lost: int, both: int, neither: int) -> tuple[torch.Tensor, torch.Tensor]:
    reference = torch.tensor([False] * won + [True] * lost + [True] * both + [False] * neither)
    other = torch.tensor([True] * won + [False] * lost + [True] * both + [False] * neither)
    return reference, other


def test_mcnemar_is_the_exact_binomial_test() -> None:
    """With 15 won and 5 lost, p is twice the tail of a fair coin."""
    found = compare(*_pair(15, 5, 60, 20))
    assert (found.won, found.lost, found.n) == (15, 5, 100)
    assert found.gain == pytest.approx(0.1)
    assert found.p_value == pytest.approx(2 * binom.cdf(5, 20, 0.5))


def test_paired_interval_is_what_resampling_pairs_gives() -> None:
    """Drawing won and lost from a multinomial equals resampling the rows of both classifiers together."""
    reference, other = _pair(60, 25, 300, 115)
    rng = np.random.default_rng(2)
    difference = (other.int() - reference.int()).numpy()
    drawn = difference[rng.integers(0, 500, (10_000, 500))].mean(axis=1)
    found = compare(reference, other)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.004)


def test_pairing_narrows_the_interval() -> None:
    """Classifiers that mostly agree have a difference known better than either accuracy."""
    reference, other = _pair(12, 6, 308, 174)
    found = compare(reference, other)
    low, high = bootstrap_interval(320, 500)
    assert found.high - found.low < (high - low) / 2


def test_equal_and_swapped() -> None:
    """A classifier against itself has gain 0 and p 1; swapping the two changes the sign only."""
    reference, other = _pair(9, 4, 30, 7)
    same = compare(reference, reference)
    assert (same.gain, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    there, back = compare(reference, other), compare(other, reference)
    assert there.gain == -back.gain
    assert there.p_value == pytest.approx(back.p_value)
    assert compare(reference, other) == there


@pytest.mark.untyped
def test_other_images_are_refused() -> None:
    """A paired test of different numbers of images is no paired test."""
    with pytest.raises(MismatchError, match="same images"):
        compare(torch.ones(3, dtype=torch.bool), torch.ones(4, dtype=torch.bool))


def test_the_gain_of_several_runs_is_the_mean_of_theirs() -> None:
    """Of one run it is the paired comparison; of several their mean, its interval over images, as narrow as images agree."""
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(300, generator=generator) < 0.5
    runs = torch.rand(3, 300, generator=generator) < 0.7
    alone = compare(reference, runs[0])
    assert mean_gain(reference, runs[:1]) == (alone.gain, alone.low, alone.high)
    gain, low, high = mean_gain(reference, runs)
    assert gain == pytest.approx(sum(compare(reference, run).gain for run in runs) / 3)
    assert low < gain < high
    same = mean_gain(reference, runs[[0, 0, 0]])
    np.testing.assert_allclose(same, (alone.gain, alone.low, alone.high), atol=0.01)
    with pytest.raises(InputError, match="no runs"):
        mean_gain(reference, runs[:0])
