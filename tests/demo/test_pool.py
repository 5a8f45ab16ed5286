"""The captioned pool: reproducible rows, unequal shares, noisy captions, repeated pictures."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from susx.demo.captions import VAGUE_SHARE, WRONG_SHARE
from susx.demo.pool import DUPLICATE_SHARE, POOL_SIZE, draw_pool, pool_rows
from susx.demo.textures import CATEGORIES
from susx.errors import InputError


def test_rows_depend_on_the_root_seed_only() -> None:
    """The same root draws the same rows, another root others."""
    assert pool_rows(200, 1) == pool_rows(200, 1)
    assert pool_rows(200, 1) != pool_rows(200, 2)


def test_the_default_pool_is_large_and_unequal() -> None:
    """At least 8,000 rows, unique ids and addresses, every category present, shares far from equal."""
    rows = pool_rows()
    counts = Counter(row.category for row in rows)
    assert len(rows) == POOL_SIZE >= 8_000
    assert [row.id for row in rows] == list(range(POOL_SIZE))
    assert len({row.url for row in rows}) == POOL_SIZE
    assert set(counts) == set(CATEGORIES)
    assert max(counts.values()) > 4 * min(counts.values())
    assert min(counts.values()) >= 48


def test_captions_are_as_noisy_as_said() -> None:
    """Wrong and vague rows come in their shares, and a few rows repeat a picture."""
    rows = pool_rows()
    kinds = Counter(row.kind for row in rows)
    assert abs(kinds["wrong"] / len(rows) - WRONG_SHARE) < 0.015
    assert abs(kinds["vague"] / len(rows) - VAGUE_SHARE) < 0.02
    repeats = len(rows) - len({(row.category, row.picture) for row in rows})
    assert abs(repeats / len(rows) - DUPLICATE_SHARE) < 0.01


def test_drawing_gives_jpegs_and_captions_in_order_whatever_the_workers() -> None:
    """Each row comes back with a readable picture; one process and two draw the same bytes."""
    rows = pool_rows(300, 3)
    alone = list(draw_pool(rows, 3, workers=1))
    assert [drawn.row for drawn in alone] == rows
    assert all(drawn.caption for drawn in alone)
    picture = Image.open(io.BytesIO(alone[0].jpeg))
    assert (picture.format, picture.size) == ("JPEG", (64, 64))
    assert list(draw_pool(rows, 3, workers=2)) == alone


def test_a_repeated_picture_is_the_same_picture_under_another_address() -> None:
    """Rows that share a picture differ in address and file, and look alike."""
    rows = pool_rows(2000, 0)
    first = {(row.category, row.picture): row for row in reversed(rows)}
    again = next(row for row in rows if first[row.category, row.picture] is not row)
    other = next(row for row in rows if row.category != again.category)
    one, two, three = draw_pool([first[again.category, again.picture], again, other], 0, workers=1)
    pixels = [np.asarray(Image.open(io.BytesIO(drawn.jpeg)), np.float32) for drawn in (one, two, three)]
    assert one.row.url != two.row.url
    assert np.abs(pixels[0] - pixels[1]).mean() < 0.5 * np.abs(pixels[0] - pixels[2]).mean()


def test_a_pool_smaller_than_the_categories_is_refused() -> None:
    """Fewer rows than categories cannot hold them all."""
    with pytest.raises(InputError, match="47"):
        pool_rows(46)
