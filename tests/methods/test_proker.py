"""ProKeR against the paper's closed form, the released code's one, and its limits."""

from __future__ import annotations

import numpy as np
import torch

from susx.methods import Evidence, ImageFeatures, Proker, ZeroShot

CLASSES, DIM, SHOTS = 5, 24, 4


def _unit(count: int, seed: int) -> torch.Tensor:
    rows = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)) + 0.5
    return torch.nn.functional.normalize(rows)


def _evidence() -> Evidence:
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS)
    return Evidence(_unit(CLASSES, 0), 100.0, _unit(len(labels), 1), labels)


def _logits(method: Proker, query: torch.Tensor) -> np.ndarray:
    return method.logits(method.fit(_evidence()), ImageFeatures(query)).numpy()


def _terms(query: torch.Tensor, beta: float) -> tuple[np.ndarray, ...]:
    """Return prompts' cosines, k(x, S), K and Y - z(S), pair by pair."""
    evidence = _evidence()
    assert evidence.support_features is not None
    text, rows, asked = (
        t.double().numpy() for t in (evidence.text_classifier, evidence.support_features, query)
    )
    similar = lambda a, b: np.exp(-beta * np.array([[np.sum((x - y) ** 2) / 2 for y in b] for x in a]))  # noqa: E731
    labels = np.eye(CLASSES)[np.arange(CLASSES).repeat(SHOTS)]
    return asked @ text.T, similar(asked, rows), similar(rows, rows), labels - rows @ text.T


def test_it_is_the_paper_s_closed_form() -> None:
    """alpha = 1, to 1e-5, with distances in place of cosines."""
    query, beta, lam = _unit(30, 2), 1.7, 0.1
    prompts, near, gram, missing = _terms(query, beta)
    expected = 100 * (prompts + near @ np.linalg.inv(gram + lam * np.eye(len(gram))) @ missing)
    np.testing.assert_allclose(_logits(Proker(1.0, beta, lam), query), expected, rtol=1e-5, atol=1e-3)


def test_the_released_code_is_alpha_equal_to_lambda() -> None:
    """It solves (K / lambda + I) and leaves the factor 1 / lambda of the paper out."""
    query, beta, lam = _unit(30, 2), 3.0, 0.05
    prompts, near, gram, missing = _terms(query, beta)
    expected = 100 * (prompts + near @ np.linalg.solve(gram / lam + np.eye(len(gram)), missing))
    np.testing.assert_allclose(_logits(Proker(lam, beta, lam), query), expected, rtol=1e-5, atol=1e-3)


def test_a_large_penalty_is_zero_shot() -> None:
    """As lambda grows the correction goes, whatever its weight."""
    query = _unit(30, 2)
    zero_shot = ZeroShot().logits(ZeroShot().fit(_evidence()), ImageFeatures(query)).numpy()
    far = [np.abs(_logits(Proker(1.0, lam=lam), query) - zero_shot).max() for lam in (1.0, 1e3, 1e6, 1e9)]
    assert far == sorted(far, reverse=True)
    assert far[-1] < 1e-4


def test_without_a_penalty_it_repeats_the_labels() -> None:
    """alpha = 1 and a penalty near 0 interpolate the support images' labels."""
    rows = _evidence().support_features
    assert rows is not None
    found = _logits(Proker(1.0, beta=3.0, lam=1e-9), rows) / 100
    np.testing.assert_allclose(found, np.eye(CLASSES)[np.arange(CLASSES).repeat(SHOTS)], atol=1e-3)


def test_many_images_are_solved_in_float32(monkeypatch) -> None:
    """Beyond the bound the coefficients are those of float64 to three digits."""
    query = _unit(30, 2)
    exact = _logits(Proker(), query)
    monkeypatch.setattr("susx.methods.functional.kernel_ridge._EXACT", 0)
    np.testing.assert_allclose(_logits(Proker(), query), exact, rtol=1e-3, atol=1e-3)
