"""Scores agree with scikit-learn and with counting by hand."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import f1_score, recall_score, top_k_accuracy_score

from susx.errors import InputError, MismatchError
from susx.evaluation import class_accuracy, macro_f1, mean_per_class, score, top_k_correct


@pytest.fixture
def measured() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are often right, on unequal classes, one of which has no image."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.multinomial(
        torch.tensor([0.4, 0.2, 0.2, 0.1, 0.08, 0.02, 0.0]), 400, True, generator=generator
    )
    logits = torch.randn(400, 7, generator=generator)
    logits[torch.arange(400), labels] += 1.0
    return logits, labels


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_scikit_learns(measured: tuple[torch.Tensor, torch.Tensor], k: int) -> None:
    """Without ties the share of images among the k highest is scikit-learn's top-k accuracy."""
    logits, labels = measured
    theirs = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=k, labels=list(range(7)))
    assert float(top_k_correct(logits, labels, k).double().mean()) == pytest.approx(theirs)


def test_per_class_scores_are_scikit_learns(measured: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Mean per-class accuracy is macro recall and macro-F1 is macro F1, both over the classes that occur."""
    logits, labels = measured
    predicted = logits.argmax(dim=1)
    present = sorted(set(labels.tolist()))
    theirs = recall_score(labels, predicted, labels=present, average="macro")
    assert mean_per_class(predicted, labels, 7) == pytest.approx(theirs)
    theirs = f1_score(labels, predicted, labels=present, average="macro")
    assert macro_f1(predicted, labels) == pytest.approx(theirs)


def test_constant_classifier_earns_one_class() -> None:
    """Equal logits everywhere do not count as right for every class."""
    labels = torch.arange(4)
    assert top_k_correct(torch.zeros(4, 4), labels, 1).tolist() == [True, False, False, False]
    assert int(top_k_correct(torch.zeros(4, 4), labels, 2).sum()) == 2


def test_top_1_is_argmax(measured: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Top-1 says the same as comparing argmax with the labels, ties included."""
    logits, labels = measured
    rounded = logits.round()
    assert torch.equal(top_k_correct(rounded, labels, 1), rounded.argmax(dim=1) == labels)


def test_absent_class_has_no_accuracy() -> None:
    """A class without images is NaN per class and left out of the mean."""
    accuracy, counts = class_accuracy(torch.tensor([0, 0]), torch.tensor([0, 0]), 2)
    assert counts.tolist() == [2, 0]
    assert bool(torch.isnan(accuracy[1]))
    assert mean_per_class(torch.tensor([0, 0]), torch.tensor([0, 0]), 2) == 1.0


def test_summary_holds_all(measured: tuple[torch.Tensor, torch.Tensor]) -> None:
    """The summary's numbers are those of the single functions, its interval holds its top-1."""
    logits, labels = measured
    found = score(logits, labels)
    assert found.n == 400
    assert found.top1 == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
    assert found.low < found.top1 < found.high
    assert found.top1 < found.top5 <= 1
    assert score(logits[:, :3], labels.clamp(max=2)).top5 == 1.0


@pytest.mark.untyped
@pytest.mark.parametrize(
    ("logits", "labels", "error", "words"),
    [
        (torch.zeros(3, 2), torch.tensor([0, 1]), MismatchError, "3 rows"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), InputError, "no labelled images"),
        (torch.tensor([[0.0, float("nan")]]), torch.tensor([0]), InputError, "image 0"),
        (torch.zeros(1, 2), torch.tensor([2]), InputError, "Label 2"),
        (torch.zeros(1, 2), torch.tensor([-1]), InputError, "Label -1"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    logits: torch.Tensor, labels: torch.Tensor, error: type[Exception], words: str
) -> None:
    """Wrong lengths, no images, NaN and labels outside the classes are named."""
    with pytest.raises(error, match=words):
        score(logits, labels)
