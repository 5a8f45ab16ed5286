"""Confusions and per-class gains are those counted by hand."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import confusion_matrix as theirs

from susx.errors import MismatchError
from susx.evaluation import class_gains, confusion_matrix, confusion_pairs


def _logits(predicted: list[int], classes: int, sure: list[float] | None = None) -> torch.Tensor:
    logits = torch.zeros(len(predicted), classes)
    for i, p in enumerate(predicted):
        logits[i, p] = 1.0 if sure is None else sure[i]
    return logits


def test_matrix_is_scikit_learns() -> None:
    """Rows are true classes, columns predicted ones."""
    generator = torch.Generator().manual_seed(0)
    labels, predicted = torch.randint(0, 5, (2, 200), generator=generator)
    assert (
        confusion_matrix(predicted, labels, 5).tolist() == theirs(labels, predicted, labels=range(5)).tolist()
    )


def test_pairs_in_order_with_their_images() -> None:
    """The larger confusion is first; its rows are the confused images, most confident first."""
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    logits = _logits([1, 1, 0, 2, 1, 2], 3, [1.0, 3.0, 1.0, 1.0, 1.0, 1.0])
    pairs = confusion_pairs(logits, labels)
    assert [(p.true, p.predicted, p.count, p.total) for p in pairs] == [(0, 1, 2, 3), (1, 2, 1, 2)]
    assert pairs[0].rows == (1, 0)
    assert pairs[0].confidence[0] > pairs[0].confidence[1]


def test_pairs_are_limited_and_may_be_none() -> None:
    """``most`` and ``images`` limit; a classifier that is always right has no confusions."""
    labels = torch.tensor([0, 0, 1, 2])
    logits = _logits([1, 1, 2, 0], 3)
    (pair,) = confusion_pairs(logits, labels, most=1, images=1)
    assert (pair.true, pair.predicted, len(pair.rows)) == (0, 1, 1)
    assert confusion_pairs(_logits([0, 0, 1, 2], 3), labels) == []


def test_temperature_changes_confidence_not_the_pairs() -> None:
    """A high temperature makes the same mistakes with less confidence."""
    labels, logits = torch.tensor([0, 0]), _logits([1, 1], 2, [4.0, 4.0])
    (cold,), (warm,) = confusion_pairs(logits, labels), confusion_pairs(logits, labels, temperature=10.0)
    assert (cold.true, cold.count) == (warm.true, warm.count) == (0, 2)
    assert warm.confidence[0] < cold.confidence[0]


def test_gains_by_hand() -> None:
    """Each class with images has its accuracy before and after; one without is left out."""
    labels = torch.tensor([0, 0, 2, 2])
    before, after = _logits([0, 1, 2, 2], 4), _logits([0, 0, 2, 1], 4)
    gains = class_gains(before, after, labels)
    assert [(g.label, g.n, g.before, g.after) for g in gains] == [(0, 2, 0.5, 1.0), (2, 2, 1.0, 0.5)]


@pytest.mark.untyped
def test_gains_need_the_same_images() -> None:
    """Logits of another shape are refused."""
    with pytest.raises(MismatchError, match="same images"):
        class_gains(torch.zeros(2, 3), torch.zeros(2, 4), torch.tensor([0, 1]))
