"""The bundle's preprocessing against torchvision's: the same pixels of every picture that can be decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from transformers import BlipImageProcessor

from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.pixel_rule import rule_of
from susx.errors import ConfigError
from susx.features.blip import Processed
from susx.image_files import BadImage, open_image

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


def transform(size, **settings):
    return image_transform(size, is_train=False, **settings)


TRANSFORMS = {
    "CLIP": transform(224, interpolation="bicubic", resize_mode="shortest"),
    "odd": transform(97, interpolation="bicubic", resize_mode="shortest"),
    "SigLIP": transform(224, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic", resize_mode="squash"),
    "MobileCLIP": transform(256, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="bilinear", resize_mode="shortest"),
    "whole": transform(64, interpolation="bicubic", resize_mode="longest", fill_color=127),
    "whole, wide": transform((48, 80), interpolation="bicubic", resize_mode="longest"),
    "wide": transform((48, 80), resize_mode="shortest"),
    "squashed, wide": transform((48, 80), interpolation="bicubic", resize_mode="squash"),
}  # fmt: skip


def corpus() -> list[Image.Image]:
    """What the decoder makes of every file that once broke something, and of files of every kind."""
    found = []
    for path in sorted(CORPUS.rglob("*")):
        if path.is_file():
            try:
                found.append(open_image(path.read_bytes()))
            except (BadImage, OSError):
                continue
    for number, picture in enumerate(drawn_pictures(16, seed=3)):
        for mode, form, options in (
            ("RGB", "jpeg", {}), ("L", "png", {}), ("P", "gif", {}), ("RGBA", "png", {}), ("CMYK", "jpeg", {}),
            ("RGB", "webp", {"lossless": True}), ("RGB", "png", {"exif": orientation(1 + number % 8)}),
        ):  # fmt: skip
            file = io.BytesIO()
            drawn = picture.convert(mode)
            if mode == "RGBA":
                drawn.putalpha(picture.convert("L"))
            drawn.save(file, form, **options)
            found.append(open_image(file.getvalue()))
        deep = io.BytesIO()
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(deep, "png")
        found.append(open_image(deep.getvalue()))
    return found


def orientation(value: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = value
    return tags


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    found = corpus()
    assert len(found) > 16 * 8
    return found


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_pixels_are_torchvisions_to_the_last_bit(name, pictures):
    """Every mode, orientation and proportion; pictures smaller than the input, and of one pixel."""
    preprocess = TRANSFORMS[name]
    rule = rule_of(preprocess, "seeing")
    for picture in pictures:
        expected = preprocess(picture).numpy()
        found = rule.prepare(picture)
        assert found.shape == expected.shape
        assert np.array_equal(found, expected), (name, picture.size, float(np.abs(found - expected).max()))


def test_the_pixels_of_photographs(real_data):
    """Photographs of a real data set, through the file that they lie in."""
    rule = rule_of(TRANSFORMS["CLIP"], "seeing")
    files = [
        path
        for path in sorted((real_data / "photos").rglob("*"))
        if path.suffix.lower() in {".jpg", ".png", ".jpeg"}
    ]
    assert files
    for path in files[:40]:
        picture = open_image(path)
        assert np.array_equal(rule.prepare(picture), TRANSFORMS["CLIP"](picture).numpy())


def test_the_pixels_of_transformers_processor(pictures):
    """It resizes tensors, not pictures: two levels apart at most, and more only where Pillow cut off what the curve overshot."""
    processor = Processed(BlipImageProcessor(size={"height": 96, "width": 96}))
    rule = rule_of(processor, "blip")
    mean, std = (np.asarray(three)[:, None, None] for three in (rule.mean, rule.std))
    means = []
    for picture in pictures:
        ours, theirs = (
            (values * std + mean) * 255 for values in (rule.prepare(picture), processor(picture).numpy())
        )
        inside = (ours > 0.5) & (ours < 254.5)
        means.append(np.abs(ours - theirs).mean())
        # Pillow rounds and clips to 8 bits between its two passes: beside hard edges a few values are further off.
        apart = np.abs(ours - theirs)[inside]
        assert not inside.any() or (np.mean(apart > 2.01) <= 0.01 and apart.max() <= 16), picture.size
    assert float(np.mean(means)) < 0.2


def test_what_a_bundle_cannot_do_is_refused_by_name():
    """A step of somebody's own."""
    steps = torch.nn.Module()
    steps.transforms = [torch.nn.ReLU()]
    with pytest.raises(ConfigError, match="ReLU"):
        rule_of(steps, "seeing")
    steps.transforms = []
    with pytest.raises(ConfigError, match="none that resizes"):
        rule_of(steps, "seeing")
