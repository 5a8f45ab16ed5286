"""Top-1 accuracy and its intervals."""

from __future__ import annotations

import pytest
import torch

from susx.errors import InputError, MismatchError
from susx.evaluation.accuracy import Accuracy, mean_and_interval, top_1


def test_top_1_counts_the_greatest_logit() -> None:
    """A row counts when its label holds the greatest logit; of equals the first is the prediction."""
    logits = torch.tensor([[1.0, 2.0], [3.0, 3.0], [3.0, 3.0]])
    assert top_1(logits, torch.tensor([1, 0, 1])) == Accuracy(2, 3)


def test_interval_holds_the_share_and_narrows() -> None:
    """The interval lies around the share and is narrower with more images."""
    (low, high), (lower, higher) = Accuracy(400, 1000).interval, Accuracy(40, 100).interval
    assert lower < low < 0.4 < high < higher
    assert high - low == pytest.approx(2 * 1.96 * (0.4 * 0.6 / 1000) ** 0.5, rel=0.05)


def test_mean_over_seeds() -> None:
    """Three seeds give Student's interval of two degrees of freedom, one seed none."""
    mean, low, high = mean_and_interval([0.61, 0.62, 0.66])
    assert mean == pytest.approx(0.63)
    assert high - mean == pytest.approx(4.3027 * 0.0264575 / 3**0.5, rel=1e-3)
    assert mean - low == pytest.approx(high - mean)
    assert mean_and_interval([0.5]) == (0.5, 0.5, 0.5)


@pytest.mark.untyped
def test_nothing_to_measure_is_refused() -> None:
    """No images, too few labels and no seeds are refused."""
    with pytest.raises(InputError, match="no images"):
        top_1(torch.zeros(0, 3), torch.zeros(0).long())
    with pytest.raises(MismatchError, match="2 images with 1 labels"):
        top_1(torch.zeros(2, 3), torch.zeros(1).long())
    with pytest.raises(InputError, match="no runs"):
        mean_and_interval([])
