"""What the methods that train have in common: seeds, resumption, and support sets that hardly are any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from susx.errors import NoSupportError, TrainingError
from susx.methods import ClipAdapter, Evidence, ImageFeatures, Run, TipAdapterF
from susx.methods.meta_training import train_weights
from susx.methods.training import Recipe
from tests.interruptions import interrupt_training
from tests.methods.test_properties import evidence, unit
from tests.methods.test_tip_adapter_f import sixteen

Result = tuple[Mapping[str, torch.Tensor], tuple[float, ...]]


def tip(given: Evidence, run: Run) -> Result:
    state = TipAdapterF(epochs=6, batch=4).fit(given, run)
    return {"keys": state.keys}, state.losses


def clip(given: Evidence, run: Run) -> Result:
    state = ClipAdapter(epochs=6, batch=4).fit(given, run)
    return {"down": state.down, "up": state.up}, state.losses


def meta(given: Evidence, run: Run) -> Result:
    trained = train_weights(given, Recipe(6, 4, 1e-3, eps=1e-4), run)
    return trained.parameters, trained.losses


Fit = Callable[[Evidence, Run], Result]
all_three = pytest.mark.parametrize("fit", [tip, clip, meta])


@all_three
def test_the_seed_decides(fit: Fit) -> None:
    """Equal seeds give equal bits, other seeds others."""
    first, second, other = (fit(evidence(), Run(seed=seed))[0] for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@all_three
def test_resumed_equals_uninterrupted(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted at the ninth step and taken up: the same bits and losses."""
    whole, losses = fit(evidence(), Run())
    steps = interrupt_training(monkeypatch, 9)
    with pytest.raises(KeyboardInterrupt):
        fit(evidence(), Run(folder=tmp_path))
    again, resumed = fit(evidence(), Run(folder=tmp_path))
    assert steps == [*range(9), *range(8, 24)]
    assert resumed == losses
    assert all(torch.equal(again[name], whole[name]) for name in whole)


@all_three
@pytest.mark.parametrize(
    "labels", [[2], [0, 1, 3, 4, 4], [0, 1, 2, 3, 4]], ids=["one", "missing", "one-shot"]
)
def test_hardly_any_support_is_legal(fit: Fit, labels: list[int]) -> None:
    """One image in all, a class without any, one shot a class: finite, an epoch's loss each, no batch dropped."""
    found, losses = fit(evidence(labels=labels), Run())
    assert all(torch.isfinite(value).all() for value in found.values())
    assert len(losses) == 6


@all_three
def test_no_support_is_refused(fit: Fit) -> None:
    """Nothing to train on is said before anything is trained."""
    with pytest.raises(NoSupportError):
        fit(Evidence(unit(5, 16, seed=0)), Run())


@all_three
def test_a_loss_that_is_no_number_stops(fit: Fit) -> None:
    """A logit scale beyond float32 makes the loss NaN: method, step and learning rate are said."""
    given = evidence()
    with pytest.raises(
        TrainingError, match=r"_adapter.*: the loss became nan at step 1 of 24 with learning rate"
    ):
        fit(Evidence(given.text_classifier, 1e39, given.support_features, given.support_labels), Run())


def test_clip_adapter_learns_sixteen_images_by_heart() -> None:
    """Labels at odds with the prompts are learned (for Tip-Adapter-F see its own tests)."""
    given = sixteen()
    method = ClipAdapter(epochs=400, rate=0.01, ratio=0.8, trained_ratio=0.8, reduction=1)
    state = method.fit(given)
    features, labels = given.support("test")
    assert torch.equal(method.logits(state, ImageFeatures(features)).argmax(1), labels)
    assert state.losses[-1] < 0.1 < state.losses[0]


def test_meta_adapter_fits_sixteen_images() -> None:
    """Two classes a prompt apart whose images say otherwise: the attention is learned until all are right."""
    generator = torch.Generator().manual_seed(0)
    centres, labels = torch.eye(4, 16), torch.arange(16) % 4
    rows = torch.nn.functional.normalize(centres[labels] + 0.15 * torch.randn(16, 16, generator=generator))
    text = torch.nn.functional.normalize(
        0.3 * centres + 0.5 * centres.roll(1, 0) + 0.1 * torch.randn(4, 16, generator=generator)
    )
    given = Evidence(text, 20.0, rows, labels)
    assert float(((rows @ text.T).argmax(1) == labels).float().mean()) < 0.5
    trained = train_weights(given, Recipe(150, 4, 0.05))
    assert trained.losses[-1] < 0.1 < trained.losses[0]
