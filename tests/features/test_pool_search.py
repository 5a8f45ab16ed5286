"""A pool of features as the source of support."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from susx.errors import InputError, MismatchError
from susx.features.pool_search import nearest_rows, read_pool, support_from_pool
from susx.methods.functional.support_choice import candidate_rows, choose_support


def unit(rows: int, seed: int, dim: int = 6) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    )


@pytest.mark.parametrize("block", [16_000_000, 12])
def test_the_nearest_rows_are_those_of_a_full_sort(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearest first, whatever the block size."""
    monkeypatch.setattr("susx.features.pool_search._BLOCK_NUMBERS", block)
    text, pool = unit(3, 0), unit(50, 1)
    similarities, rows = nearest_rows(text, pool, 4)
    expected = (text @ pool.T).sort(dim=1, descending=True)
    assert torch.equal(rows, expected.indices[:, :4])
    torch.testing.assert_close(similarities, expected.values[:, :4])


@pytest.mark.parametrize("seed", range(5))
def test_the_support_is_what_choose_support_keeps_of_the_nearest_rows(seed: int) -> None:
    """Three candidates for each image wanted, and the rule on them."""
    text, pool = unit(4, seed), unit(60, seed + 50)
    rows, labels = candidate_rows(pool @ text.T, 5)
    kept = choose_support(text, 20.0, pool[rows], labels, 5).kept
    support = support_from_pool(text, 20.0, pool, 5)
    torch.testing.assert_close(support.features, pool[rows[kept]])
    assert torch.equal(support.labels, labels[kept])


def test_a_small_pool_supports_every_class() -> None:
    """A pool of fewer rows than are wanted gives each class all of them: rows are shared."""
    support = support_from_pool(unit(3, 0), 20.0, unit(4, 1), 9)
    assert torch.bincount(support.labels).tolist() == [4, 4, 4]


def test_bad_rows_are_left_out() -> None:
    """NaN, infinite and zero rows support nothing; the others are chosen as without them."""
    pool = unit(40, 1)
    bad = torch.cat([pool[:7], torch.full((1, 6), float("nan")), torch.zeros(1, 6), pool[7:]])
    found, expected = (support_from_pool(unit(3, 0), 20.0, rows, 4) for rows in (bad, pool))
    torch.testing.assert_close(found.features, expected.features)
    with pytest.raises(InputError, match="Every row"):
        support_from_pool(unit(3, 0), 20.0, torch.zeros(5, 6), 4)


@pytest.mark.untyped
def test_unusable_pools_are_refused(tmp_path: Path) -> None:
    """Empty pools, other widths, zero images and missing files are refused."""
    with pytest.raises(InputError, match="no features"):
        support_from_pool(unit(2, 0), 20.0, torch.zeros(0, 6), 3)
    with pytest.raises(MismatchError, match="5 columns"):
        support_from_pool(unit(2, 0), 20.0, unit(9, 1, dim=5), 3)
    with pytest.raises(InputError, match="1 or more"):
        support_from_pool(unit(2, 0), 20.0, unit(9, 1), 0)
    with pytest.raises(InputError, match=r"features\.npy"):
        read_pool(tmp_path)
    np.save(tmp_path / "features.npy", np.arange(6).reshape(2, 3))
    with pytest.raises(InputError, match="real numbers"):
        read_pool(tmp_path)


def test_a_pool_is_mapped_not_read(tmp_path: Path) -> None:
    """Half-precision pools are read as they are stored, and searched like float32."""
    pool = unit(40, 3)
    np.save(tmp_path / "features.npy", pool.numpy().astype(np.float16))
    read = read_pool(tmp_path)
    assert read.dtype == torch.float16
    found, expected = (support_from_pool(unit(2, 0), 20.0, rows, 3) for rows in (read, pool))
    torch.testing.assert_close(found.features, expected.features, atol=1e-3, rtol=0)
