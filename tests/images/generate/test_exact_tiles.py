"""Tiles of fixed size."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from susx.images.generate.exact_tiles import fixed_tiles, tiled


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 11), rows=st.integers(1, 5))
def test_a_tiled_call_returns_every_row_once_and_sees_one_shape(count, rows):
    """Values, nested values and order are those of the plain call, whatever the sizes."""
    shapes = []

    def call(x, scale, *, extra):
        shapes.append(tuple(x.shape))
        return {"y": x * scale + extra["a"]}, [x.sum(1)]

    x, a = torch.arange(count * 3.0).view(count, 3), torch.arange(count * 1.0)[:, None]
    first, (second,) = tiled(call, rows)(x, torch.tensor(2.0), extra={"a": a})
    assert torch.equal(first["y"], 2 * x + a)
    assert torch.equal(second, x.sum(1))
    assert set(shapes) == {(rows, 3)}


def test_the_pipeline_is_as_it_was_afterwards(painter):
    """Methods and the number of threads are put back, also after an error."""
    threads = torch.get_num_threads()
    try:
        with fixed_tiles(painter.pipe):
            assert "forward" in vars(painter.pipe.unet)
            raise KeyError
    except KeyError:
        pass
    assert "forward" not in vars(painter.pipe.unet)
    assert "decode" not in vars(painter.pipe.vae)
    assert torch.get_num_threads() == threads
