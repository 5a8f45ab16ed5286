"""The divergence of signatures against independent twins."""

from __future__ import annotations

import pytest
import torch

from susx.methods.functional.kl import kl_divergence


def signatures(rows, classes=397, spread=0.05, seed=0, dtype=torch.float64):
    """Return nearly uniform log-signatures like those of CLIP at temperature 0.5."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(1, classes, generator=generator, dtype=torch.float64)
    own = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return (spread * (common + own)).log_softmax(1).to(dtype)


def twin(query, support):
    """Return the divergence row by row in float64 from torch's own kl_div."""
    query, support = query.double(), support.double()
    return torch.stack([
        torch.nn.functional.kl_div(support, row.expand_as(support), log_target=True, reduction="none").sum(1)
        for row in query
    ])  # fmt: skip


@pytest.mark.parametrize("classes", [2, 47, 397, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.02, 0.05, 2.0])
def test_float32_keeps_five_digits_of_small_divergences(classes, spread, dtype):
    """On the same inputs, near duplicates among them, the relative error is at most 1e-5 from 1e-4 up."""
    query = signatures(40, classes, spread, seed=1, dtype=dtype)
    support = signatures(60, classes, spread, seed=1, dtype=dtype)[20:]
    exact = twin(query, support)
    found = kl_divergence(query, support)
    large = exact >= 1e-4
    assert large.any()
    assert found.dtype == torch.float32
    assert ((found - exact).abs() / exact)[large].max() <= 1e-5
    assert ((found - exact.clamp(min=0)).abs() <= 1e-5 * exact.clamp(min=1e-4)).all()


def test_rows_far_from_the_support_are_as_exact_as_near_ones():
    """One query that is all but certain of a class keeps its digits beside nearly uniform ones."""
    query, support = signatures(30, seed=2), signatures(20, seed=3)
    query[7] = (40.0 * query[7]).log_softmax(0)
    exact = twin(query, support)
    assert ((kl_divergence(query, support) - exact).abs() / exact).max() <= 1e-5


def test_the_plain_product_would_fail_where_this_holds():
    """Without centring float32 misses the bound by far, so the accuracy test can fail."""
    query = signatures(30, spread=0.02, seed=4, dtype=torch.float32)
    support = signatures(30, spread=0.02, seed=5, dtype=torch.float32)
    exact = twin(query, support)
    plain = (query.exp() * query).sum(1, keepdim=True) - query.exp() @ support.T
    assert ((plain - exact).abs() / exact).max() > 1e-4


def test_a_row_does_not_depend_on_the_other_queries():
    """A query alone gets the row it has in a batch."""
    query, support = signatures(9, seed=6), signatures(12, seed=7)
    torch.testing.assert_close(
        kl_divergence(query[3:4], support), kl_divergence(query, support)[3:4], rtol=1e-6, atol=1e-9
    )


def test_equal_signatures_diverge_by_nothing_and_none_is_negative():
    """The diagonal against itself is 0 up to float32, and rounding never makes a value negative."""
    rows = signatures(50, dtype=torch.float32)
    found = kl_divergence(rows, rows)
    assert found.min() >= 0
    assert found.diagonal().max() <= 1e-8


def test_direction_is_query_against_support():
    """KL(p || q) is not KL(q || p); rows are queries."""
    p, q = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.9, 0.1]]).log()
    assert kl_divergence(p, q).item() == pytest.approx(0.5108256, rel=1e-6)
    assert kl_divergence(q, p).item() == pytest.approx(0.3680642, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype):
    """Half-precision signatures give the float32 result of their own values."""
    rows = signatures(8, 10, 1.0).to(dtype)
    torch.testing.assert_close(kl_divergence(rows, rows), kl_divergence(rows.float(), rows.float()))


def test_no_rows_give_an_empty_matrix():
    """Empty query or support sets are legal and finite."""
    rows = signatures(3, 5)
    assert kl_divergence(rows[:0], rows).shape == (0, 3)
    assert kl_divergence(rows, rows[:0]).shape == (3, 0)


def test_vanishing_probabilities_stay_finite():
    """A signature so sharp that a probability underflows adds nothing for that class."""
    sharp = torch.tensor([[0.0, 900.0], [900.0, 0.0]]).log_softmax(1)
    found = kl_divergence(sharp, sharp)
    torch.testing.assert_close(found, torch.tensor([[0.0, 900.0], [900.0, 0.0]]))
