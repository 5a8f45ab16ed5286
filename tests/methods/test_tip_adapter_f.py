"""Tip-Adapter-F against Tip-Adapter, finite differences, and a re-derivation of its training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from susx.methods import Evidence, ImageFeatures, Run, TipAdapter, TipAdapterF
from susx.methods.tip_adapter import CacheState, tip_scores
from tests.methods.test_properties import evidence, images, unit


def sixteen() -> Evidence:
    """Sixteen images whose labels have nothing to do with the prompts."""
    return Evidence(
        unit(4, 16, seed=0), support_features=unit(16, 16, seed=1), support_labels=torch.arange(16) % 4
    )


def test_without_epochs_it_is_tip_adapter() -> None:
    """Epoch 0 is the cache itself, for any alpha and beta."""
    trained, plain = TipAdapterF(alpha=2.0, beta=3.0, epochs=0), TipAdapter(alpha=2.0, beta=3.0)
    torch.testing.assert_close(
        trained.logits(trained.fit(evidence()), images()), plain.logits(plain.fit(evidence()), images())
    )


def test_gradients_agree_with_finite_differences() -> None:
    """The derivative of the loss to the keys is that of central differences."""
    keys = torch.nn.functional.normalize(
        torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )
    text = torch.eye(3, 5, dtype=torch.float64)
    labels, weights = torch.arange(6) % 3, torch.ones(6, dtype=torch.float64)

    def loss(now: torch.Tensor) -> torch.Tensor:
        state = CacheState(text, 10.0, now, labels, weights)
        return torch.nn.functional.cross_entropy(tip_scores(state, keys, 1.5, 4.0), labels)

    assert torch.autograd.gradcheck(loss, (keys.clone().requires_grad_(),), eps=1e-6, atol=1e-7)


def test_it_learns_sixteen_images_by_heart() -> None:
    """Labels at odds with the prompts are learned; the values of the cache are not trained."""
    given = sixteen()
    method = TipAdapterF(alpha=20.0, trained_alpha=20.0, epochs=100, rate=0.05)
    state = method.fit(given)
    assert given.support_features is not None
    learned = method.logits(state, ImageFeatures(given.support_features)).argmax(dim=1)
    assert torch.equal(learned, given.support_labels)
    assert not torch.equal(state.keys.sort(dim=0).values, given.support_features.sort(dim=0).values)
    assert state.weights.unique().tolist() == [4 / 4]
    assert state.losses[-1] < 0.1 < state.losses[0]


def test_one_full_batch_step_is_adamw_by_hand() -> None:
    """One epoch of one batch: keys - rate (g / (|g| + eps) + 0.01 keys), the first step of AdamW."""
    given = sixteen()
    state = TipAdapterF(epochs=1).fit(given)
    cache = TipAdapterF(epochs=0).fit(given)
    keys = cache.keys.clone().requires_grad_()
    votes = torch.exp(5.5 * (cache.keys @ keys.T - 1)) @ torch.nn.functional.one_hot(cache.labels, 4).float()
    scores = 100 * cache.keys @ given.text_classifier.T + votes
    torch.nn.functional.cross_entropy(scores, cache.labels).backward()
    assert keys.grad is not None
    step = keys.grad / (keys.grad.abs() + 1e-4)
    expected = cache.keys * (1 - 1e-3 * 0.01) - 1e-3 * step
    torch.testing.assert_close(state.keys, expected, rtol=0, atol=2e-6)


def test_alpha_and_beta_are_searched_after_the_training(tmp_path: Path) -> None:
    """A search trains once, and other weights of the logits take the same keys up."""
    given = evidence()
    run = Run(folder=tmp_path)
    method = TipAdapterF(epochs=3)
    assert given.validation_features is not None
    assert given.validation_labels is not None
    best = method.search(
        given,
        ImageFeatures(given.validation_features),
        given.validation_labels,
        method.grid("support"),
        run=run,
    )
    chosen = method.with_values(best.values)
    state = chosen.fit(given, run)
    assert len([*tmp_path.iterdir()]) == 1
    right = (
        chosen.logits(state, ImageFeatures(given.validation_features)).argmax(1) == given.validation_labels
    )
    assert int(right.sum()) == best.correct
    assert np.isclose(state.losses[0], method.fit(given).losses[0])
