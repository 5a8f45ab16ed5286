"""Scores agree with scikit-learn and with counting by hand."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import f1_score, recall_score, top_k_accuracy_score

from susx.errors import InputError, MismatchError
from susx.evaluation import (
    bootstrap_interval,
    class_accuracy,
    compare,
    error_ranking,
    macro_f1,
    mean_per_class,
    measure,
    measure_runs,
    reliability,
    top_k_correct,
)


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
    found = measure(logits, labels)
    assert found.n == 400
    assert found.top1 == pytest.approx(float((logits.argmax(1) == labels).double().mean()))
    assert None not in (found.low, found.top1, found.high, found.top5)
    assert found.low < found.top1 < found.high
    assert found.top1 < found.top5 <= 1
    assert found.ece == reliability(logits, labels).ece
    assert measure(logits[:, :3], labels.clamp(max=2)).top5 == 1.0


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
        measure(logits, labels)


def test_how_confidence_ranks_errors_is_counted_by_hand() -> None:
    """The share of pairs (right, wrong) in which the right answer is surer, ties half; nothing where all are right."""
    confidence = torch.tensor([0.9, 0.4, 0.6, 0.4])
    right = torch.tensor([True, True, False, False])
    assert error_ranking(confidence, right) == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert error_ranking(confidence, torch.ones(4, dtype=torch.bool)) is None
    assert error_ranking(confidence, torch.zeros(4, dtype=torch.bool)) is None


def test_a_record_says_what_was_looked_at_and_its_paired_gain(
    measured: tuple[torch.Tensor, torch.Tensor],
) -> None:
    """Access, shots, draw and seed stand beside the gain over the reference on the same images."""
    logits, labels = measured
    reference = logits.roll(1, dims=1)
    found = measure(logits, labels, reference=reference, access=("names", "shots"), shots=4, draw=2, seed=7)
    paired = compare(reference.argmax(1) == labels, logits.argmax(1) == labels, 7)
    assert (found.gain, found.gain_low, found.gain_high) == (paired.gain, paired.low, paired.high)
    assert found.p_value == paired.p_value
    assert (found.access, found.shots, found.draw, found.seed) == (("names", "shots"), 4, 2, 7)


def test_the_mean_of_runs_is_over_the_same_images(measured: tuple[torch.Tensor, torch.Tensor]) -> None:
    """One run is itself; of several the accuracy is the mean and the interval is over images."""
    logits, labels = measured
    runs = [logits, logits.roll(1, dims=0), logits.roll(3, dims=0)]
    scores = [measure(run, labels, draw=at) for at, run in enumerate(runs)]
    correct = torch.stack([run.argmax(1) == labels for run in runs])
    assert measure_runs(scores[:1], correct[:1], None) is scores[0]
    mean = measure_runs(scores, correct, correct[0])
    assert mean.top1 == pytest.approx(sum(score.top1 or 0 for score in scores) / 3)
    assert mean.gain == pytest.approx((mean.top1 or 0) - (scores[0].top1 or 0))
    assert mean.ece == pytest.approx(sum(score.ece or 0 for score in scores) / 3)
    assert mean.p_value is None
    assert mean.draw is None


def test_the_interval_holds_the_share_and_narrows() -> None:
    """It lies around the share, as wide as the normal one, and narrower with more images."""
    (low, high), (lower, higher) = bootstrap_interval(400, 1000), bootstrap_interval(40, 100)
    assert lower < low < 0.4 < high < higher
    assert high - low == pytest.approx(2 * 1.96 * (0.4 * 0.6 / 1000) ** 0.5, rel=0.05)
