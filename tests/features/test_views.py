"""Views of a picture: itself first, the same whenever it comes."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from susx.config import EncoderConfig
from susx.demo.textures import render
from susx.features.encoder import load_encoder
from susx.features.views import encode_views, views_of


def _picture(name: str, number: int = 0) -> Image.Image:
    return Image.fromarray(render(name, "camera", "test", number))


def test_views_are_of_the_picture_s_size_and_differ() -> None:
    """The first is the picture; crops and mirror images are others."""
    picture = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    views = list(views_of(picture, 16))
    assert torch.equal(views[0], picture)
    assert {tuple(view.shape) for view in views} == {(3, 40, 40)}
    assert len({tuple(view.flatten()[:50].tolist()) for view in views}) == 16


@pytest.mark.parametrize("size", [(1, 1), (2, 50)])
def test_pictures_without_room_for_a_crop_are_legal(size: tuple[int, int]) -> None:
    """The whole picture is a view."""
    assert len(list(views_of(torch.zeros(3, *size), 5))) == 5


def test_views_do_not_depend_on_what_else_comes() -> None:
    """Alone and beside others a picture's rows are the same; the first is that of the picture."""
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    pictures = [_picture("grid"), _picture("dotted")]
    together = encode_views(encoder, pictures, 6)
    assert together.shape == (2, 6, encoder.dim)
    torch.testing.assert_close(encode_views(encoder, pictures[1:], 6)[0], together[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[:, 0], encoder.encode_images(pictures), rtol=1e-4, atol=1e-5)
    assert encode_views(encoder, [], 6).shape == (0, 6, encoder.dim)
