"""The linear probe: scikit-learn's regression in our layout, also with two classes, one, and some without images."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from susx.methods import Evidence, ImageFeatures, LinearProbe

GENERATOR = torch.Generator().manual_seed(0)
TEXT = torch.nn.functional.normalize(torch.randn(4, 8, generator=GENERATOR), dim=1)


def rows(labels: list[int]) -> torch.Tensor:
    noise = torch.randn(len(labels), 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.normalize(TEXT[labels] + 0.2 * noise, dim=1)


@pytest.mark.parametrize("present", [[0, 1, 2, 3], [1, 3], [0, 2, 3]])
def test_it_is_the_regression(present: list[int]) -> None:
    """Probabilities over the classes that have images are scikit-learn's own; the others are never chosen."""
    labels = present * 5
    given = Evidence(TEXT, support_features=rows(labels), support_labels=torch.tensor(labels))
    method = LinearProbe(strength=10.0)
    query = rows([0, 1, 2, 3] * 3)
    logits = method.logits(method.fit(given), ImageFeatures(query))
    model = LogisticRegression(C=10.0, max_iter=1000).fit(rows(labels).double().numpy(), labels)
    theirs = torch.from_numpy(model.predict_proba(query.double().numpy())).float()
    torch.testing.assert_close(logits[:, present].softmax(dim=1), theirs, atol=2e-3, rtol=0)
    assert set(logits.argmax(dim=1).tolist()) <= set(present)


def test_one_class_is_always_chosen() -> None:
    """With images of one class alone there is nothing to regress."""
    given = Evidence(TEXT, support_features=rows([2, 2]), support_labels=torch.tensor([2, 2]))
    method = LinearProbe()
    assert method.logits(method.fit(given), ImageFeatures(rows([0, 1]))).argmax(dim=1).tolist() == [2, 2]
