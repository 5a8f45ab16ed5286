"""Pool statistics: exact for any split into parts, merged in any order, refused where they do not belong."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.errors import InputError, MismatchError
from susx.features.gather_pool import (
    gather_pool_statistics,
    merge_pool_statistics,
    text_digest,
)
from susx.methods.pool_statistics import NEAREST, PoolStatistics
from susx.store.values import read_value, write_value

SCALE, CLASSES, DIM = 50.0, 5, 12
NUMBERS = ("mean", "covariance", "scores", "nearest")


def rows(count: int, seed: int = 0) -> np.ndarray:
    """Unit rows around a common direction."""
    found = np.random.default_rng(seed).normal(size=(count, DIM)) + 0.6
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


TEXT = torch.from_numpy(rows(CLASSES, seed=99))


def gather(*parts: np.ndarray) -> PoolStatistics:
    return gather_pool_statistics(TEXT, SCALE, parts, "encoder")


def assert_same(one: PoolStatistics, other: PoolStatistics) -> None:
    """Numbers agree to 1e-6, everything else exactly."""
    for field in dataclasses.fields(PoolStatistics):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in NUMBERS:
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        else:
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b, field.name


def test_against_a_twin_that_holds_the_whole_pool() -> None:
    """Mean, covariance, nearest similarities and agreement as numpy and a plain sort give them."""
    pool = rows(300)
    found = gather(pool)
    exact = pool.astype(np.float64) / np.linalg.norm(pool.astype(np.float64), axis=1, keepdims=True)
    z = SCALE * torch.from_numpy(exact) @ TEXT.double().T
    np.testing.assert_allclose(found.mean, exact.mean(0), atol=1e-7)
    np.testing.assert_allclose(found.covariance, np.cov(exact.T, bias=True), atol=1e-7)
    largest, nearest = z.sort(dim=0, descending=True)
    torch.testing.assert_close(found.nearest, largest[:NEAREST].T, rtol=1e-6, atol=1e-5)
    own = torch.arange(CLASSES)[:, None] == z.argmax(1)[nearest[:NEAREST]].T
    assert torch.equal(found.is_best, own)
    assert found.agreement == pytest.approx(float(own.double().mean()))


@given(cuts=st.lists(st.integers(0, 200), max_size=6), block=st.integers(1, 70), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_any_split_gives_the_same(cuts: list[int], block: int, seed: int) -> None:
    """However the pool is cut into parts and blocks, and whether parts are read in one pass or merged."""
    pool = rows(200, seed)
    edges = [0, *sorted(cuts), 200]
    parts = [pool[a:b] for a, b in itertools.pairwise(edges)]
    whole = gather(pool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("susx.features.gather_pool._MOST_ROWS", block)
        assert_same(gather(*parts), whole)
        apart = [gather(part) for part in parts]
    merged = apart[-1]
    for statistics in apart[:-1]:
        merged = merge_pool_statistics(merged, statistics)
    assert_same(merged, whole)


def test_the_order_of_the_parts_does_not_matter() -> None:
    """A pool that holds every image twice: the same statistics whichever part comes first."""
    pool = rows(40)
    one, other = gather(pool[:25]), gather(pool)
    assert_same(merge_pool_statistics(one, other), merge_pool_statistics(other, one))
    assert_same(merge_pool_statistics(one, other), gather(pool[:25], pool))


def test_bad_rows_are_counted_and_left_out() -> None:
    """NaN, infinite and zero rows change no number."""
    pool = rows(50)
    bad = pool.copy()
    bad = np.insert(bad, [0, 20, 50], [[np.nan] * DIM, [np.inf] * DIM, [0.0] * DIM], axis=0)
    found, expected = gather(bad), gather(pool)
    assert (found.skipped, found.count) == (3, 50)
    assert_same(found, dataclasses.replace(expected, skipped=3))


def test_a_small_pool_leaves_places_empty() -> None:
    """Two rows for sixteen places: the rest is marked and no number is NaN."""
    found = gather(rows(2))
    assert found.nearest[:, 2:].eq(float("-inf")).all()
    assert torch.isfinite(found.covariance).all()
    assert 0 <= found.agreement <= 1


def test_half_precision_memory_maps_are_read(tmp_path: Path) -> None:
    """A float16 file, memory-mapped, gives what its values give in memory."""
    np.save(tmp_path / "features.npy", rows(90).astype(np.float16))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert_same(gather(mapped), gather(np.array(mapped, dtype=np.float32)))


def test_a_file_brings_the_same_back(tmp_path: Path) -> None:
    """Written and read statistics are equal bit for bit, and equal statistics are equal bytes."""
    found = gather(rows(60))
    for name in ("one", "two"):
        write_value(tmp_path / name, found)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = read_value(tmp_path / "one", PoolStatistics)
    for field in dataclasses.fields(PoolStatistics):
        a, b = getattr(found, field.name), getattr(again, field.name)
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("content", [b"", b"not a tensor file", json.dumps({"a": 1}).encode()])
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    """The message names the file."""
    (tmp_path / "pool.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"pool\.safetensors"):
        read_value(tmp_path / "pool.safetensors", PoolStatistics)


def test_a_tensor_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """A safetensors file without the fields of statistics is no statistics."""
    from safetensors.torch import save_file

    save_file({"mean": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors"):
        read_value(tmp_path / "other.safetensors", PoolStatistics)


def test_what_does_not_belong_together_is_refused() -> None:
    """Another encoder, other prompts, another width: each by name."""
    found = gather(rows(20))
    other_text = gather_pool_statistics(TEXT.flip(0), SCALE, [rows(20)], "encoder")
    for other, word in (
        (dataclasses.replace(found, encoder="another"), "encoder"),
        (other_text, "text"),
    ):
        with pytest.raises(MismatchError, match=word):
            merge_pool_statistics(found, other)
    found.check("encoder", text_digest(TEXT, SCALE))
    with pytest.raises(MismatchError, match="encoder"):
        found.check("another", text_digest(TEXT, SCALE))
    with pytest.raises(MismatchError, match="class prompts"):
        found.check("encoder", text_digest(TEXT, SCALE + 1))
    with pytest.raises(MismatchError, match="Part 1"):
        gather(rows(20), rows(20)[:, :5])
    with pytest.raises(InputError, match="no usable row"):
        gather(np.full((3, DIM), np.nan, dtype=np.float32)).check("encoder", text_digest(TEXT, SCALE))
