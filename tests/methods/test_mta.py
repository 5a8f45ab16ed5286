"""MTA against its two steps written out, and on views of textures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from susx.errors import InputError
from susx.methods import Evidence, ImageFeatures, Mta, ZeroShot

CLASSES, DIM, VIEWS = 5, 16, 12


def _unit(*shape: int, seed: int) -> torch.Tensor:
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + 0.8
    return torch.nn.functional.normalize(rows, dim=-1)


def _derived(views: np.ndarray, text: np.ndarray, scale: float) -> np.ndarray:
    """Return the logits of one image, distance by distance."""
    count = len(views)
    apart = np.array([[np.sum((a - b) ** 2) for b in views] for a in views])
    near = np.sort(apart, axis=1)[:, 1 : 1 + int(0.3 * (count - 1))]
    width = 0.5 * near.mean(axis=1)
    said = np.exp(scale * views @ text.T)
    said /= said.sum(axis=1, keepdims=True)
    density = lambda mode: np.exp(-np.sum((views - mode) ** 2, axis=1) / (2 * width))  # noqa: E731
    mode, scores = views[0], np.full(count, 1 / count)
    for _ in range(5):
        fits = density(mode)
        for _ in range(5):
            before, raised = scores, np.exp((fits + 4 * (said @ said.T) @ scores) / 0.2)
            scores = raised / raised.sum()
            if np.linalg.norm(scores - before) < 1e-6:
                break
        for _ in range(5):
            before, mode = mode, (density(mode) * scores) @ views
            mode = mode / np.linalg.norm(mode)
            if np.linalg.norm(mode - before) < 1e-6:
                break
    return scale * text @ mode


def test_it_is_both_steps_written_out() -> None:
    """To 1e-5 of the logits' size."""
    text, views = _unit(CLASSES, DIM, seed=0), _unit(8, VIEWS, DIM, seed=1)
    found = Mta().logits(Mta().fit(Evidence(text, 20.0)), ImageFeatures(views[:, 0], views=views)).numpy()
    expected = [_derived(one.double().numpy(), text.double().numpy(), 20.0) for one in views]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("count", [1, 7])
def test_one_view_and_copies_of_it_are_zero_shot(count: int) -> None:
    """Nothing is apart, and the mode is the image."""
    text, rows = _unit(CLASSES, DIM, seed=0), _unit(6, DIM, seed=1)
    features = ImageFeatures(rows, views=rows[:, None].repeat(1, count, 1))
    expected = ZeroShot().logits(ZeroShot().fit(Evidence(text)), features)
    torch.testing.assert_close(
        Mta().logits(Mta().fit(Evidence(text)), features), expected, rtol=1e-4, atol=1e-4
    )


def test_a_view_unlike_the_others_counts_least() -> None:
    """Views of one thing and a stray one: the mode stays with the many."""
    text = torch.eye(4, DIM)
    views = torch.nn.functional.normalize(
        text[0] + 0.1 * torch.randn(9, DIM, generator=torch.Generator().manual_seed(0))
    )
    views = torch.cat([text[1:2], views])  # the image itself is the stray
    found = Mta().logits(Mta().fit(Evidence(text, 20.0)), ImageFeatures(views[:1], views=views[None]))
    assert int(found.argmax()) == 0


def test_images_without_views_are_refused() -> None:
    """Files of features hold none: the way out is named."""
    with pytest.raises(InputError, match=r"expected views of width 16 .* susx\.features\.views"):
        Mta().logits(Mta().fit(Evidence(_unit(CLASSES, DIM, seed=0))), ImageFeatures(_unit(3, DIM, seed=1)))
