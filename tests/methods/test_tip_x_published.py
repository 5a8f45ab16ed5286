"""TIP-X as published, against a straight-line computation of what the script is described to do."""

from __future__ import annotations

import pytest
import torch

from susx.methods import Evidence, ImageFeatures, TipXPublished


def unit(rows: int, seed: int) -> torch.Tensor:
    drawn = torch.randn(rows, 12, generator=torch.Generator().manual_seed(seed)) + 0.5
    return torch.nn.functional.normalize(drawn)


def rescaled(values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    share = (values - values.min()) / (values.max() - values.min())
    return share * (target.max() - target.min()) + target.min()


@pytest.mark.parametrize("slips", [False, True])
def test_published_logits_are_those_of_the_script(slips: bool) -> None:
    """Batch-wide rescaling, and on request zero rows at the end and the validation's range, as in the script."""
    text, support, query, validation = unit(5, 0), unit(15, 1), unit(230, 2), unit(40, 3)
    labels = torch.arange(15) % 5
    given = Evidence(
        text, 100.0, support, labels, validation_features=validation, validation_labels=torch.zeros(40).long()
    )
    method = TipXPublished(alpha=2.0, beta=4.0, gamma=3.0, slips=slips)
    found = method.logits(method.fit(given), ImageFeatures(query))

    p, q = (torch.softmax(rows.double() @ text.double().T / 0.5, dim=1) for rows in (query, support))
    divergence = (p[:, None] * (p[:, None].log() - q[None].log())).sum(dim=2).float()
    affinity = query @ support.T
    if slips:
        divergence[200:] = 0
    scaled = rescaled(divergence, validation @ support.T if slips else affinity)
    one_hot = torch.nn.functional.one_hot(labels, 5).float()
    votes = torch.exp(-(4.0 - 4.0 * affinity)) @ one_hot
    expected = 100 * query @ text.T + 2.0 * votes - 3.0 * (scaled @ one_hot)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-3)
