"""A pool of features as the source of support."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from susx.errors import InputError, MismatchError
from susx.features.pool_search import read_pool, retrieve_from_pool


def unit(rows: int, seed: int, dim: int = 6) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))
    )


@pytest.mark.parametrize("block", [16_000_000, 12])
def test_each_class_takes_its_nearest_rows(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are those of a full sort, nearest first, whatever the block size."""
    monkeypatch.setattr("susx.features.pool_search._BLOCK_NUMBERS", block)
    text, pool = unit(3, 0), unit(50, 1)
    found = retrieve_from_pool(text, pool, 4)
    expected = (text @ pool.T).sort(dim=1, descending=True)
    assert torch.equal(found.rows.view(3, 4), expected.indices[:, :4])
    torch.testing.assert_close(found.similarities.view(3, 4), expected.values[:, :4])
    assert found.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize("seed", range(5))
def test_exclusive_rows_support_one_class_and_the_best_pairs_come_first(seed: int) -> None:
    """No row is used twice, and no unused pair beats a used one whose row and class both were free."""
    text, pool = unit(4, seed), unit(30, seed + 50)
    found = retrieve_from_pool(text, pool, 5, exclusive=True)
    assert len(set(found.rows.tolist())) == len(found.rows)
    assert torch.bincount(found.labels, minlength=4).tolist() == [5, 5, 5, 5]
    similarity = text @ pool.T
    worst = [similarity[c, found.rows[found.labels == c]].min() for c in range(4)]
    holder = dict(zip(found.rows.tolist(), found.labels.tolist(), strict=True))
    for row in range(30):
        for label in range(4):
            if holder.get(row) != label and similarity[label, row] > worst[label]:
                assert row in holder
                assert similarity[holder[row], row] >= similarity[label, row]


def test_a_small_pool_leaves_classes_with_less() -> None:
    """An exclusive assignment of few rows gives some classes fewer, and repeats none."""
    found = retrieve_from_pool(unit(3, 0), unit(4, 1), 3, exclusive=True)
    assert sorted(found.rows.tolist()) == [0, 1, 2, 3]


@pytest.mark.untyped
def test_unusable_pools_are_refused(tmp_path: Path) -> None:
    """Empty pools, other widths, NaN rows, zero images and missing files are refused."""
    with pytest.raises(InputError, match="no features"):
        retrieve_from_pool(unit(2, 0), torch.zeros(0, 6), 3)
    with pytest.raises(MismatchError, match="5 columns"):
        retrieve_from_pool(unit(2, 0), unit(9, 1, dim=5), 3)
    with pytest.raises(InputError, match="1 or more"):
        retrieve_from_pool(unit(2, 0), unit(9, 1), 0)
    with pytest.raises(InputError, match="row 3"):
        retrieve_from_pool(unit(2, 0), unit(9, 1).index_fill(0, torch.tensor([3]), float("nan")), 3)
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
    assert torch.equal(
        retrieve_from_pool(unit(2, 0), read, 3).rows, retrieve_from_pool(unit(2, 0), pool, 3).rows
    )
