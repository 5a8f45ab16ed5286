"""GDA against the formula written out again, class by class, in float64 numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from susx.methods import Evidence, Gda, ImageFeatures, ZeroShot

CLASSES, DIM = 6, 24


def _unit(count: int, seed: int) -> torch.Tensor:
    rows = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)) + 0.5
    return torch.nn.functional.normalize(rows)


def _evidence(labels: list[int]) -> Evidence:
    return Evidence(_unit(CLASSES, 0), 100.0, _unit(len(labels), 1), torch.tensor(labels))


def _derived(evidence: Evidence, query: torch.Tensor, alpha: float) -> np.ndarray:
    """Return the logits as the paper has them: means, pooled covariance, its shrunk inverse, log densities."""
    assert evidence.support_features is not None
    assert evidence.support_labels is not None
    rows, labels = evidence.support_features.double().numpy(), evidence.support_labels.numpy()
    means = np.stack([rows[labels == c].mean(axis=0) for c in range(CLASSES)])
    spread = np.concatenate([rows[labels == c] - means[c] for c in range(CLASSES)])
    covariance = np.cov(spread.T)
    count, dim = spread.shape
    inverse = dim * np.linalg.pinv((count - 1) * covariance + np.trace(covariance) * np.eye(dim))
    scores = [query.double().numpy() @ inverse @ m - m @ inverse @ m / 2 for m in means]
    text = 100 * query.double().numpy() @ evidence.text_classifier.double().numpy().T
    return text + alpha * np.stack(scores, axis=1)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_it_is_the_paper_s_formula(alpha: float) -> None:
    """To 1e-5 of the logits' size, with classes of unequal size."""
    evidence = _evidence([c for c in range(CLASSES) for _ in range(2 + c)])
    query = _unit(40, 2)
    found = Gda(alpha).logits(Gda(alpha).fit(evidence), ImageFeatures(query))
    expected = _derived(evidence, query, alpha)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_one_image_a_class_is_zero_shot() -> None:
    """Nothing varies within a class of one image, and the discriminant says nothing."""
    evidence, query = _evidence(list(range(CLASSES))), ImageFeatures(_unit(9, 2))
    expected = ZeroShot().logits(ZeroShot().fit(evidence), query)
    torch.testing.assert_close(Gda().logits(Gda().fit(evidence), query), expected)


def test_a_class_without_images_gets_the_mean_score_of_the_others() -> None:
    """What the discriminant adds to its logit is the mean of what it adds to the others."""
    evidence, query = _evidence([0, 0, 1, 1, 2, 2, 4, 4, 5, 5]), _unit(9, 2)
    added = (
        Gda(1.0).logits(Gda(1.0).fit(evidence), ImageFeatures(query))
        - 100 * query @ evidence.text_classifier.T
    )
    others = added[:, [0, 1, 2, 4, 5]].mean(dim=1)
    torch.testing.assert_close(added[:, 3], others, rtol=1e-3, atol=1e-3)
