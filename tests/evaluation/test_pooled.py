"""Means over draws and data sets, their interval and p; Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from susx.errors import InputError
from susx.evaluation import holm, over_draws, pooled_mean
from susx.evaluation.interval import bootstrap_interval, mean_interval

RNG = np.random.default_rng(0)


def resampled(parts: list[np.ndarray], count: int = 3000) -> np.ndarray:
    """The definition, row by row: each replicate draws the images of every data set anew."""
    rng = np.random.default_rng(1)
    means = []
    for _ in range(count):
        drawn = [part[rng.integers(len(part), size=len(part))] for part in parts]
        means.append(np.mean([np.nanmean(part, axis=0).mean() for part in drawn]))
    return np.array(means)


def test_it_is_the_bootstrap_over_images() -> None:
    """One run and several runs on the same images have the intervals of the functions for these."""
    runs = RNG.random((400, 3)) < 0.6
    several = pooled_mean([runs.astype(float)])
    assert several.value == pytest.approx(runs.mean())
    assert (several.low, several.high) == pytest.approx(mean_interval(torch.from_numpy(runs.T)), abs=2e-3)
    one = pooled_mean([runs[:, :1].astype(float)])
    assert (one.low, one.high) == pytest.approx(bootstrap_interval(int(runs[:, 0].sum()), 400), abs=5e-3)


def test_data_sets_and_drawn_folders_are_resampled_together() -> None:
    """The mean of data sets of different size, one with folders that partly coincide, against resampling rows."""
    folders = [np.sort(RNG.permutation(300)[:100]) for _ in range(3)]
    drawn = over_draws(folders, [RNG.random(100) < 0.8 for _ in folders])
    whole = (RNG.random((900, 2)) < 0.4).astype(float)
    found, rows = pooled_mean([drawn, whole]), resampled([drawn, whole])
    assert found.value == pytest.approx((np.nanmean(drawn, axis=0).mean() + whole.mean()) / 2)
    assert found.low == pytest.approx(np.quantile(rows, 0.025), abs=4e-3)
    assert found.high == pytest.approx(np.quantile(rows, 0.975), abs=4e-3)
    assert found.high - found.low < pooled_mean([drawn]).high - pooled_mean([drawn]).low


def test_the_p_is_that_of_the_standard_error() -> None:
    """Small where all resamples lie on one side, large where nothing differs, 1 where everything is 0."""
    gains = RNG.choice([-1.0, 0.0, 1.0], p=[0.1, 0.7, 0.2], size=(500, 1))
    found, rows = pooled_mean([gains]), resampled([gains])
    assert found.p_value == pytest.approx(2 * norm.sf(gains.mean() / rows.std()), rel=0.3)
    assert pooled_mean([np.zeros((50, 2))]).p_value == 1
    assert pooled_mean([np.ones((50, 2))]).p_value == 0
    even = np.array([[1.0], [-1.0]] * 50)
    assert pooled_mean([even]).p_value == 1


def test_nothing_to_average_is_refused() -> None:
    """No data set, a draw without an image."""
    with pytest.raises(InputError, match="needs data sets with images"):
        pooled_mean([])
    with pytest.raises(InputError, match="needs data sets with images"):
        pooled_mean([np.array([[1.0, np.nan], [0.0, np.nan]])])


def test_holm_by_hand() -> None:
    """The smallest times all, the next times one less, never below the one before, never above 1."""
    assert holm([0.01, 0.2, 0.011, 0.5]) == pytest.approx([0.04, 0.4, 0.04, 0.5])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([]) == []
