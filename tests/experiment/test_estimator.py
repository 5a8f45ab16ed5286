"""The array interface: the library's own methods, and refusals in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import susx
from susx.errors import ConfigError, InputError, MismatchError, NoSupportError
from susx.methods import METHODS, Evidence, ImageFeatures, Need, TipX

RNG = np.random.default_rng(0)
TEXT = RNG.normal(size=(4, 12)) + 0.5
LABELS = np.arange(24) % 4
ROWS = TEXT[LABELS] + 0.7 * RNG.normal(size=(24, 12))


def test_it_is_the_method() -> None:
    """Logits are the method's own on unit rows, probabilities their softmax, names what is predicted."""
    classifier = susx.FeatureClassifier(TEXT, method="tip_x", class_names="abcd", alpha=2.0)
    assert classifier.fit(ROWS, LABELS) is classifier

    def unit(rows: np.ndarray) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.from_numpy(rows).float(), dim=1)

    given = Evidence(unit(TEXT), 100.0, unit(ROWS), torch.from_numpy(LABELS))
    method = TipX(alpha=2.0)
    expected = method.logits(method.fit(given), ImageFeatures(unit(ROWS)))
    np.testing.assert_allclose(classifier.decision_function(ROWS), expected.numpy(), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(classifier.predict_proba(ROWS).sum(axis=1), 1, atol=1e-5)
    assert classifier.predict(ROWS).tolist() == ["abcd"[i] for i in expected.argmax(dim=1)]


@pytest.mark.parametrize(
    "name",
    sorted(
        n
        for n, m in METHODS.items()
        if m.row_wise and not m.needs & {Need.PATCHES, Need.WEIGHTS, Need.TEXT_TOWER, Need.VIEWS}
    ),
)
def test_every_method_of_pooled_features(name: str) -> None:
    """Support and pool are enough for each; what is given is left as it was, in every type of number."""
    for kind in (np.float64, np.float32, np.float16):
        text, rows, before = TEXT.astype(kind), ROWS.astype(kind), ROWS.astype(kind)
        classifier = susx.FeatureClassifier(text, method=name).fit(rows, LABELS, pool=rows.astype(np.float32))
        assert np.isfinite(classifier.decision_function(rows)).all()
        assert (classifier.predict(rows) == LABELS).mean() > 0.6
        assert np.array_equal(rows, before)


def test_a_pool_alone_is_enough() -> None:
    """Without labels the prompts choose the support; without anything the prompts decide alone."""
    chosen = susx.FeatureClassifier(TEXT, method="tip_adapter").fit(pool=ROWS.astype(np.float32), per_class=3)
    assert chosen.fitted is not None
    assert len(chosen.fitted.state.keys) == 12
    prompts = susx.FeatureClassifier(TEXT, method="zero_shot").fit()
    assert prompts.predict(TEXT).tolist() == [0, 1, 2, 3]


def test_refusals() -> None:
    """Each in the words of the part that knows."""
    with pytest.raises(ConfigError, match="no method 'tip_z'"):
        susx.FeatureClassifier(TEXT, method="tip_z")
    with pytest.raises(ConfigError, match="does not take the hyper-parameters gama"):
        susx.FeatureClassifier(TEXT, method="tip_x", gama=1)
    with pytest.raises(InputError, match="go together"):
        susx.FeatureClassifier(TEXT).fit(ROWS)
    with pytest.raises(InputError, match="not fitted"):
        susx.FeatureClassifier(TEXT).predict(ROWS)
    with pytest.raises(NoSupportError):
        susx.FeatureClassifier(TEXT, method="tip_x").fit()
    with pytest.raises(MismatchError):
        susx.FeatureClassifier(TEXT, method="zero_shot").fit().predict(ROWS[:, :5])
    with pytest.raises(InputError, match="NaN"):
        susx.FeatureClassifier(TEXT, method="tip_x").fit(np.where(ROWS > 1, np.nan, ROWS), LABELS)
