"""The interval of a mean of runs."""

from __future__ import annotations

import pytest
import torch

from susx.errors import InputError
from susx.evaluation.interval import bootstrap_interval, mean_interval


def test_interval_of_a_mean_is_over_images() -> None:
    """It is what resampled rows give, the interval of the run when all runs agree, and narrower when they differ."""
    generator = torch.Generator().manual_seed(0)
    runs = torch.rand(3, 400, generator=generator) < 0.6
    low, high = mean_interval(runs)
    drawn = torch.randint(400, (4000, 400), generator=generator)
    means = runs.double().mean(dim=0)[drawn].mean(dim=1)
    assert low == pytest.approx(float(means.quantile(0.025)), abs=2e-3)
    assert high == pytest.approx(float(means.quantile(0.975)), abs=2e-3)
    alike = mean_interval(runs[:1].expand(3, -1))
    assert alike == pytest.approx(mean_interval(runs[:1]), abs=3e-3)
    assert mean_interval(runs[:1]) == bootstrap_interval(int(runs[0].sum()), 400)
    assert high - low < alike[1] - alike[0]


@pytest.mark.untyped
def test_nothing_to_measure_is_refused() -> None:
    """No runs are refused."""
    with pytest.raises(InputError, match="runs and images"):
        mean_interval(torch.zeros(0, 3, dtype=torch.bool))
