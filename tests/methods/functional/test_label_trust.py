"""Trust in labelled means: from number and spread alone, against independent twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.methods.functional.label_trust import PRIOR, leverages, noise_ratio, trust_in_means
from susx.methods.functional.text_map import text_map


def unit(*shape: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 0.5, dim=-1
    )


@given(counts=st.lists(st.integers(0, 50), min_size=2, max_size=20), ratio=st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_trust_grows_with_the_number_and_falls_with_the_spread(counts: list[int], ratio: float) -> None:
    """0 without images, below 1, strictly larger for more images, smaller where images of a class differ more."""
    counts.sort()
    trust = trust_in_means(torch.tensor(counts), ratio)
    assert all((count == 0) == (float(value) == 0) for count, value in zip(counts, trust, strict=True))
    assert float(trust.max()) < 1
    for fewer, more, low, high in zip(counts, counts[1:], trust, trust[1:], strict=False):
        assert (low < high) == (fewer < more)
    wider = trust_in_means(torch.tensor(counts), 2 * ratio)
    assert bool((wider <= trust).all())


@pytest.mark.parametrize(("classes", "dim", "missing"), [(6, 20, 0), (40, 8, 0), (20, 20, 3), (2, 9, 0)])
def test_leverages_are_the_diagonal_of_the_map(classes: int, dim: int, missing: int) -> None:
    """Twin: the text map of the identity, one column a class, holds the map itself."""
    text, seen = unit(classes, dim, seed=1), torch.arange(classes) >= missing
    whole = text_map(text, torch.eye(classes), seen, 0.7)
    expected = whole.diagonal()[seen]
    np.testing.assert_allclose(leverages(text, seen, 0.7).numpy(), expected.numpy(), atol=1e-9)


def test_the_ratio_is_that_of_the_variances() -> None:
    """On classes whose centres the prompts do not tell, drawn with a known ratio, that ratio is found."""
    generator = torch.Generator().manual_seed(0)
    classes, dim, per_class, ratio = 200, 30, 8, 4.0
    centres = torch.randn(classes, dim, generator=generator)
    labels = torch.arange(classes).repeat_interleave(per_class)
    rows = centres[labels] + ratio**0.5 * torch.randn(len(labels), dim, generator=generator)
    # Prompts drawn apart say nothing, and a strong penalty keeps the map from following noise.
    assert noise_ratio(unit(classes, dim, seed=3), rows, labels, 100.0) == pytest.approx(ratio, rel=0.15)


def test_one_image_a_class_shows_no_spread() -> None:
    """Then, for one class alone, and for copies of one image, the prior holds; few images move it a little."""
    text, rows = unit(5, 12, seed=0), unit(10, 12, seed=1)
    assert noise_ratio(text, rows[:5], torch.arange(5)) == PRIOR
    assert noise_ratio(text, rows, torch.zeros(10).long()) == PRIOR
    assert noise_ratio(text, rows[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1])) == PRIOR
    found = noise_ratio(text, rows, torch.arange(10) % 5)
    assert 0 < found <= 4 * PRIOR
