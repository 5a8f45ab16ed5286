"""CLIP-Adapter against zero-shot, finite differences, and a re-derivation of its first step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from susx.errors import ConfigError
from susx.methods import ClipAdapter, ZeroShot
from susx.methods.clip_adapter import ClipAdapterState, adapted_scores
from tests.methods.test_properties import evidence, images
from tests.methods.test_tip_adapter_f import sixteen


def test_ratio_0_is_zero_shot() -> None:
    """At ratio 0 the bottleneck is out of it, trained or not, and a training at ratio 0 leaves the layers alone."""
    method, plain = ClipAdapter(ratio=0.0, epochs=5), ZeroShot()
    expected = plain.logits(plain.fit(evidence()), images())
    assert torch.equal(method.logits(method.fit(evidence()), images()), expected)
    still, fresh = ClipAdapter(trained_ratio=0.0).fit(evidence()), ClipAdapter(epochs=0).fit(evidence())
    assert torch.equal(still.up, fresh.up)
    assert method.gives_zero_shot(method.fit(evidence()))


def test_the_bottleneck_is_a_quarter_without_bias() -> None:
    """2 d (d / 4) parameters."""
    state = ClipAdapter(epochs=0).fit(evidence())
    assert (state.down.shape, state.up.shape) == ((4, 16), (16, 4))


def test_scores_are_the_formula() -> None:
    """Two layers of torch without bias, ReLU after both, mixed and normalised."""
    state, query = ClipAdapter(epochs=3).fit(evidence()), images().pooled
    first, second = torch.nn.Linear(16, 4, bias=False), torch.nn.Linear(4, 16, bias=False)
    first.weight.data, second.weight.data = state.down, state.up
    with torch.no_grad():
        moved = torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.ReLU())(query)
    mixed = torch.nn.functional.normalize(0.3 * moved + 0.7 * query)
    expected = 100 * mixed @ evidence().text_classifier.T
    torch.testing.assert_close(adapted_scores(state, query, 0.3), expected, rtol=1e-5, atol=1e-4)


def test_gradients_agree_with_finite_differences() -> None:
    """The derivative of the loss to both layers is that of central differences."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    rows, text, labels = (
        torch.nn.functional.normalize(draw(6, 8)),
        torch.eye(3, 8).double(),
        torch.arange(6) % 3,
    )

    def loss(down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        scores = adapted_scores(ClipAdapterState(text, 10.0, down, up), rows, 0.4)
        return torch.nn.functional.cross_entropy(scores, labels)

    layers = draw(4, 8).requires_grad_(), draw(8, 4).requires_grad_()
    assert torch.autograd.gradcheck(loss, layers, eps=1e-6, atol=1e-7)


def test_one_full_batch_step_is_adam_by_hand() -> None:
    """One epoch of one batch: layers - rate g / (|g| + eps), the first step of Adam without decay."""
    given = sixteen()
    state, start = ClipAdapter(epochs=1, ratio=0.2).fit(given), ClipAdapter(epochs=0).fit(given)
    down, up = start.down.clone().requires_grad_(), start.up.clone().requires_grad_()
    rows, labels = given.support("test")
    mixed = 0.2 * ((rows @ down.T).relu() @ up.T).relu() + 0.8 * rows
    scores = 100 * torch.nn.functional.normalize(mixed) @ given.text_classifier.T
    torch.nn.functional.cross_entropy(scores, labels).backward()
    assert down.grad is not None
    assert up.grad is not None
    for before, grad, after in ((start.down, down.grad, state.down), (start.up, up.grad, state.up)):
        clear = (grad.abs() > 1e-5) | (grad == 0)
        expected = before - 2e-4 * grad / (grad.abs() + 1e-8)
        torch.testing.assert_close(after[clear], expected[clear], rtol=0, atol=2e-6)
        assert clear.float().mean() > 0.9


@pytest.mark.parametrize("values", [{"ratio": 1.1}, {"trained_ratio": 2}, {"ratio": -0.1}, {"reduction": 0}])
def test_values_outside_their_domain_are_refused(values: dict[str, Any]) -> None:
    """A ratio is a share; the bottleneck has a width."""
    with pytest.raises(ConfigError, match=next(iter(values))):
        ClipAdapter(**values)
