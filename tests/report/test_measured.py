"""What the report says of logits is what evaluation measures on them."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from susx.evaluation import AccuracyPlane, fit_temperature, measure, reliability
from susx.evaluation.calibration import FEWEST
from susx.report import QueryImage
from susx.report.figures.classes import matrix_figure
from susx.report.report_rows import (
    bars,
    class_changes,
    confusion_cells,
    confusions,
    cosine_figures,
    measured_row,
    plane,
    reliability_figures,
)

NAMES = ("banded", "dotted", "woven")


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Zero-shot logits, better logits, labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat(90)
    zero_shot = torch.randn(270, 3, generator=generator)
    better = zero_shot.clone()
    better[torch.arange(270), labels] += 1.5
    return zero_shot, better, labels


def test_row_holds_every_score(logits: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    """Scores, gain over zero-shot and calibration all come from the same images."""
    zero_shot, better, labels = logits
    row = measured_row(
        better[:90],
        labels[:90],
        prompts="photo",
        source="retrieved",
        encoder="tiny",
        method="tip_x",
        zero_shot=zero_shot[:90],
        held_out=(better[90:], labels[90:]),
    )
    assert (row.top1, row.low, row.high) == (lambda s: (s.top1, s.low, s.high))(
        measure(better[:90], labels[:90])
    )
    assert row.gain is not None
    assert row.gain == pytest.approx((row.top1 or 0) - measure(zero_shot[:90], labels[:90]).top1)
    assert row.p_value is not None
    assert row.p_value < 0.01
    assert row.temperature == fit_temperature(better[90:], labels[90:])
    assert row.ece_after == reliability(better[:90], labels[:90], row.temperature).ece
    assert row.calibration_images == 180


def test_too_few_held_out_images_fit_no_temperature(
    logits: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """How many there were is said all the same."""
    _, better, labels = logits
    few = (better[: FEWEST - 1], labels[: FEWEST - 1])
    row = measured_row(
        better, labels, prompts="photo", source="none", encoder="tiny", method="tip_x", held_out=few
    )
    assert (row.temperature, row.ece_after, row.calibration_images) == (None, None, FEWEST - 1)


def test_without_reference_or_held_out_images_nothing_is_made_up(
    logits: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """No zero-shot logits: no gain. No held-out images: no temperature."""
    _, better, labels = logits
    row = measured_row(better, labels, prompts="photo", source="none", encoder="tiny", method="zero_shot")
    assert (row.gain, row.p_value, row.ece_after, row.temperature) == (None, None, None, None)
    assert row.ece is not None


def test_confusions_carry_names_and_pictures(logits: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    """Every picture belongs to a test row of the true class that was called the other."""
    zero_shot, _, labels = logits
    found = confusions(zero_shot, labels, NAMES, lambda row: QueryImage(None, str(row)), images=3)
    assert len(found) == 6
    for confusion in found:
        assert 1 <= len(confusion.images) <= 3
        for image in confusion.images:
            row = int(image.name)
            assert NAMES[labels[row]] == confusion.true
            assert NAMES[zero_shot[row].argmax()] == confusion.predicted
            assert image.confidence == pytest.approx(float(zero_shot[row].softmax(0).max()), abs=1e-6)


def test_changes_are_named(logits: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    """Each class has its name, and here each one gains."""
    found = class_changes(*logits, NAMES)
    assert [c.class_name for c in found] == list(NAMES)
    assert all(c.after > c.before for c in found)


def test_cosines_lose_no_pair_to_the_cut() -> None:
    """Cutting empty bins off leaves every pair, and one more edge than bins."""
    images = normalize(torch.randn(30, 6, generator=torch.Generator().manual_seed(1)).abs(), dim=1)
    labels = torch.arange(30) % 3
    found = cosine_figures(images, labels, images[:3])
    assert sum(sum(h.counts) for h in found if h.name.startswith("image-image")) == 435
    assert all(len(h.edges) == len(h.counts) + 1 for h in found)
    assert min(len(h.counts) for h in found) < 100
    assert "Intra-modal overlap 0." in found[0].note
    alone = cosine_figures(images[:3], torch.arange(3), images[:3])
    assert "overlap" not in alone[0].note


def test_chosen_point_is_marked_only_on_the_plane() -> None:
    """A choice between the plane's values has no cell, so nothing is marked."""
    values = AccuracyPlane("alpha", "gamma", (0.1, 1.0), (0.5,), ((0.5, 0.6),))
    assert plane(values, chosen=(1.0, 0.5)).chosen == (1.0, 0.5)
    assert plane(values, chosen=(0.7, 0.5)).chosen is None


def test_reliability_and_bars_take_names(logits: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    """Two diagrams with a temperature, one without; bars keep their order."""
    zero_shot, better, labels = logits
    assert len(reliability_figures(better, labels, "tip_x", 1.7)) == 2
    assert len(reliability_figures(better, labels, "tip_x")) == 1
    found = bars({"with": measure(better, labels), "without": measure(zero_shot, labels)}, "KL")
    assert found.names == ("with", "without")
    assert found.values[0] > found.values[1]


def test_confusion_cells_count_every_image() -> None:
    """Where there are images, by true and predicted class; all of them together are the images."""
    logits = torch.eye(3)[torch.tensor([0, 1, 1, 2, 2])]
    cells = confusion_cells(logits, torch.tensor([0, 0, 1, 2, 0]))
    assert cells == ((0, 0, 1), (0, 1, 1), (0, 2, 1), (1, 1, 1), (2, 2, 1))
    figure = matrix_figure(cells, ("a", "b", "c"))
    assert figure is not None
    assert figure.rows == (("a", "b", "1"), ("a", "c", "1"))
    assert matrix_figure(cells, tuple(f"class {n}" for n in range(201))) is None
