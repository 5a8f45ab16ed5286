"""What the prompts say of the support: the mean posterior of a class, and who else gets it."""

from __future__ import annotations

import pytest
import torch

from susx.errors import MismatchError
from susx.evaluation import class_confidence

TEXT = torch.eye(3)


def test_confidence_and_rival_are_the_written_out_ones() -> None:
    """Two images of class 0, one of them nearer another; class 1 has no support and no entry."""
    support = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.5, 0.0], [0.2, 1.0, 0.0], [0.0, 0.0, 1.0]]), dim=1
    )
    first, last = class_confidence(support, torch.tensor([0, 0, 2]), TEXT, 10.0)
    posterior = torch.softmax(10 * support[:2], dim=1).mean(dim=0)
    assert (first.label, first.rival, last.label) == (0, 1, 2)
    assert first.confidence == pytest.approx(float(posterior[0]))
    assert first.rival_confidence == pytest.approx(float(posterior[1]))


def test_one_class_has_no_rival() -> None:
    """A single class is certain, and says so."""
    (only,) = class_confidence(TEXT[:1, :1], torch.zeros(1, dtype=torch.int64), TEXT[:1, :1], 100.0)
    assert (only.confidence, only.rival, only.rival_confidence) == (1.0, -1, 0.0)


@pytest.mark.untyped
def test_what_does_not_fit_is_refused() -> None:
    """Another width, a label without a prompt, too few labels."""
    for support, labels in (
        (torch.ones(1, 2), torch.tensor([0])),
        (TEXT[:1], torch.tensor([3])),
        (TEXT[:2], torch.tensor([0])),
    ):
        with pytest.raises(MismatchError, match="Expected"):
            class_confidence(support, labels, TEXT, 1.0)
