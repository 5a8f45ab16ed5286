"""Images of an index in one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.images.retrieve.packed_images import PackedImages, PackedImagesWriter


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=40), max_size=5), max_size=4))
def test_every_image_is_read_back_whatever_the_batches(tmp_path_factory, batches):
    """Positions count through the batches, empty ones among them."""
    folder = tmp_path_factory.mktemp("packed")
    with PackedImagesWriter(folder) as writer:
        for batch in batches:
            writer.write(batch)
    packed = PackedImages(folder)
    images = [image for batch in batches for image in batch]
    assert [packed.get(position) for position in range(len(packed))] == images


def test_a_position_that_is_not_there(tmp_path: Path) -> None:
    """Neither a negative one nor one behind the last."""
    with PackedImagesWriter(tmp_path) as writer:
        writer.write([b"one"])
    for position in (-1, 1):
        with pytest.raises(IndexError):
            PackedImages(tmp_path).get(position)


def test_an_index_without_packed_images(tmp_path: Path) -> None:
    """Its images lie elsewhere."""
    assert PackedImages.of(tmp_path) is None
