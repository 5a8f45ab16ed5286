"""APE against loops over pairs as its code has them, and Tip-Adapter with all channels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from susx.errors import ConfigError
from susx.methods import Ape, Evidence, ImageFeatures, TipAdapter
from susx.methods.functional.channels import channel_scores

CLASSES, DIM, SHOTS = 5, 24, 3


def _unit(count: int, seed: int) -> torch.Tensor:
    rows = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed)) + 0.5
    return torch.nn.functional.normalize(rows)


def _evidence() -> Evidence:
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS)
    return Evidence(_unit(CLASSES, 0), 100.0, _unit(len(labels), 1), labels)


def _criterion(evidence: Evidence, u: float, v: float) -> np.ndarray:
    """Return J of each channel by a loop over pairs of rows of different classes."""
    assert evidence.support_features is not None
    text = evidence.text_classifier.double().numpy()
    rows = evidence.support_features.double().numpy().reshape(CLASSES, SHOTS, DIM)
    groups = np.concatenate([text[:, None], rows], axis=1)
    products = [
        groups[i, m] * groups[j, n]
        for i, j in itertools.permutations(range(CLASSES), 2)
        for m in range(SHOTS + 1)
        for n in range(SHOTS + 1)
    ]
    return -u * np.mean(products, axis=0) + v * text.var(axis=0, ddof=1)


def test_the_criterion_is_the_loop_over_pairs() -> None:
    """The closed form of the sum over pairs of classes is the sum."""
    evidence = _evidence()
    assert evidence.support_features is not None
    assert evidence.support_labels is not None
    found = channel_scores(
        evidence.text_classifier, evidence.support_features, evidence.support_labels, (0.7, 0.3)
    )
    np.testing.assert_allclose(found.numpy(), _criterion(evidence, 0.7, 0.3), rtol=1e-5, atol=1e-7)


def test_it_is_the_published_computation() -> None:
    """Channels, unit rows of them, divergence in bits, and votes: to 1e-5."""
    evidence, query = _evidence(), _unit(20, 2)
    assert evidence.support_features is not None
    method = Ape(alpha=1.3, beta=2.0, gamma=0.4, share=0.5)
    kept = np.argsort(-_criterion(evidence, 0.7, 0.3))[: DIM // 2]
    text, rows, asked = (
        t.double().numpy() for t in (evidence.text_classifier, evidence.support_features, query)
    )
    short = [
        part[:, kept] / np.linalg.norm(part[:, kept], axis=1, keepdims=True) for part in (text, rows, asked)
    ]
    hot = np.eye(CLASSES)[np.arange(CLASSES).repeat(SHOTS)]
    said = np.exp(short[1] @ short[0].T)
    said /= said.sum(axis=1, keepdims=True)
    divergence = (hot * np.log2((hot + 1e-6) / (said + 1e-6))).sum(axis=1)
    votes = np.exp(-2.0 * (1 - short[2] @ short[1].T)) @ (hot * np.exp(0.4 * divergence)[:, None])
    found = method.logits(method.fit(evidence), ImageFeatures(query)).numpy()
    np.testing.assert_allclose(found, 100 * asked @ text.T + 1.3 * votes, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("weighting", ["mean", "sum"])
def test_with_all_channels_it_is_tip_adapter(weighting: str) -> None:
    """And gamma = 0, which weighs no image more than another."""
    evidence, query = _evidence(), ImageFeatures(_unit(20, 2))
    ape = Ape(alpha=1.5, beta=3.0, gamma=0.0, share=1.0, weighting=weighting)  # type: ignore[arg-type]
    tip = TipAdapter(alpha=1.5, beta=3.0, weighting=weighting)  # type: ignore[arg-type]
    found, expected = ape.logits(ape.fit(evidence), query), tip.logits(tip.fit(evidence), query)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_share_above_one_is_refused() -> None:
    """There are no more channels than all."""
    with pytest.raises(ConfigError, match="share must be at most 1"):
        Ape(share=1.5)
