"""The cosine of query and support rows."""

from __future__ import annotations

import pytest
import torch

from susx.methods.functional.affinity import affinity


def unit_rows(rows, seed, dtype=torch.float32):
    """Return random unit rows of 64 numbers."""
    return torch.nn.functional.normalize(
        torch.randn(rows, 64, generator=torch.Generator().manual_seed(seed))
    ).to(dtype)


def test_it_is_the_cosine_of_unit_rows():
    """Affinities equal torch's own pairwise cosine."""
    query, support = unit_rows(5, 0), unit_rows(7, 1)
    expected = torch.cosine_similarity(query[:, None], support[None], dim=-1)
    torch.testing.assert_close(affinity(query, support), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_multiplied_in_float32(dtype):
    """The result is float32 and exact for the half-precision values."""
    query, support = unit_rows(5, 0, dtype), unit_rows(7, 1, dtype)
    found = affinity(query, support)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, affinity(query.float(), support.float()))


def test_the_wider_type_decides():
    """float32 against float64 is float64, and the arguments keep their types."""
    query, support = unit_rows(2, 0), unit_rows(3, 1, torch.float64)
    assert affinity(query, support).dtype == torch.float64
    assert query.dtype == torch.float32


def test_no_support_gives_no_columns():
    """An empty support set is a matrix without columns."""
    assert affinity(unit_rows(4, 0), unit_rows(0, 1)).shape == (4, 0)
