"""Calibration is measured by its definition, and temperature scaling repairs what it can repair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from susx.errors import InputError
from susx.evaluation import confusion_pairs, fit_temperature, probabilities, reliability
from susx.evaluation.calibration import FEWEST, calibrate


def _honest(n: int, classes: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax is the true distribution of the labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, classes, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return logits, labels


def test_ece_by_its_definition() -> None:
    """Two confident images, one wrong, and two unsure ones give the error worked out by hand."""
    high, low = math.log(0.95 / 0.05), math.log(0.55 / 0.45)
    logits = torch.tensor([[high, 0.0], [high, 0.0], [low, 0.0], [low, 0.0]])
    found = reliability(logits, torch.tensor([0, 1, 0, 0]), bins=10)
    assert found.counts == (2, 2)
    assert found.confidence == pytest.approx((0.55, 0.95))
    assert found.accuracy == (1.0, 0.5)
    assert found.ece == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)


def test_full_confidence_has_a_bin() -> None:
    """Confidence 1 belongs to the last bin, and right answers there are no error."""
    found = reliability(torch.tensor([[1000.0, 0.0]]), torch.tensor([0]))
    assert (found.counts, found.ece) == ((1,), 0.0)


def test_temperature_of_honest_logits_is_one() -> None:
    """Logits that are the log-probabilities need no scaling, and times three they need three."""
    logits, labels = _honest(20_000)
    assert fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3.0, abs=0.15)


def test_scaling_lowers_the_error_on_other_images() -> None:
    """A temperature fitted on one half makes over-confident logits honest on the other."""
    logits, labels = _honest(8_000)
    temperature = fit_temperature(4 * logits[:4000], labels[:4000])
    before = reliability(4 * logits[4000:], labels[4000:])
    after = reliability(4 * logits[4000:], labels[4000:], temperature)
    assert after.ece < 0.03 < before.ece


def test_always_right_ends_at_the_lowest_temperature() -> None:
    """Where every image is right the search stays in its range."""
    temperature = fit_temperature(torch.eye(4), torch.arange(4))
    assert 0 < temperature < 0.1


def test_nonsense_is_refused() -> None:
    """A temperature of 0 has no softmax."""
    with pytest.raises(InputError, match="positive"):
        reliability(torch.eye(2), torch.arange(2), temperature=0.0)


@given(
    temperature=st.floats(min_value=5e-324, max_value=1.7e308),
    rows=arrays(np.float32, (3, 4), elements=st.floats(-1e4, 1e4, width=32)),
    double=st.booleans(),
)
def test_probabilities_are_defined_at_every_temperature(temperature, rows, double) -> None:
    """No temperature above 0 gives NaN: rows sum to 1 and the best class has the largest share, in both precisions."""
    logits = torch.from_numpy(rows).to(torch.float64 if double else torch.float32)
    shares = probabilities(logits, temperature)
    assert torch.allclose(shares.sum(dim=1), torch.ones(3, dtype=logits.dtype), atol=1e-5)
    best = logits.argmax(dim=1, keepdim=True)
    assert (shares.gather(1, best)[:, 0] >= shares.amax(dim=1) - 1e-6).all()


def test_probabilities_are_the_softmax_at_plain_temperatures() -> None:
    """Where nothing overflows they are softmax(logits / temperature)."""
    logits = torch.randn(8, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for temperature in (0.1, 1.0, 7.0):
        assert torch.allclose(probabilities(logits, temperature), (logits / temperature).softmax(dim=1))


def test_the_smallest_temperature_leaves_figures_finite() -> None:
    """The reliability diagram and the confidence of confusions are numbers at 1e-308 too."""
    logits, labels = _honest(40)
    assert math.isfinite(reliability(logits, labels, 1e-308).ece)
    assert confusion_pairs(logits, labels, temperature=1e-308)


def test_few_images_or_faultless_ones_fit_no_temperature() -> None:
    """Below the stated number, and where every image is right: the likelihood has no best temperature then."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(FEWEST, 4, generator=generator)
    labels = torch.randint(4, (FEWEST,), generator=generator)
    assert calibrate(logits, labels) == fit_temperature(logits, labels)
    assert calibrate(logits[1:], labels[1:]) is None
    assert calibrate(logits, logits.argmax(dim=1)) is None
