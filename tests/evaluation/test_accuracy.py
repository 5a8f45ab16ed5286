"""Top-1 accuracy and its intervals."""

from __future__ import annotations

import pytest
import torch

from susx.errors import InputError, MismatchError
from susx.evaluation.accuracy import Accuracy, top_1
from susx.evaluation.interval import mean_interval


def test_top_1_counts_the_greatest_logit() -> None:
    """A row counts when its label holds the greatest logit; of equals the first is the prediction."""
    logits = torch.tensor([[1.0, 2.0], [3.0, 3.0], [3.0, 3.0]])
    assert top_1(logits, torch.tensor([1, 0, 1])) == Accuracy(2, 3)


def test_interval_holds_the_share_and_narrows() -> None:
    """The interval lies around the share and is narrower with more images."""
    (low, high), (lower, higher) = Accuracy(400, 1000).interval, Accuracy(40, 100).interval
    assert lower < low < 0.4 < high < higher
    assert high - low == pytest.approx(2 * 1.96 * (0.4 * 0.6 / 1000) ** 0.5, rel=0.05)


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
    assert mean_interval(runs[:1]) == Accuracy(int(runs[0].sum()), 400).interval
    assert high - low < alike[1] - alike[0]


@pytest.mark.untyped
def test_nothing_to_measure_is_refused() -> None:
    """No images, too few labels and no runs are refused."""
    with pytest.raises(InputError, match="no images"):
        top_1(torch.zeros(0, 3), torch.zeros(0).long())
    with pytest.raises(MismatchError, match="2 images with 1 labels"):
        top_1(torch.zeros(2, 3), torch.zeros(1).long())
    with pytest.raises(InputError, match="runs and images"):
        mean_interval(torch.zeros(0, 3, dtype=torch.bool))
