"""Queries, support images and targets become pixels in one way, whatever the picture and whichever the door."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from susx.classifier import load_classifier
from susx.classifier.predict import decode
from susx.datasets.split import TargetSplit
from susx.image_files import open_image
from susx.testing.http_images import random_picture

KINDS = {
    "RGB": "png",
    "L": "png",
    "P": "gif",
    "RGBA": "png",
    "LA": "png",
    "I;16": "png",
    "CMYK": "tiff",
    "1": "bmp",
}


@st.composite
def pictures(draw) -> bytes:
    """A file of some mode, size, orientation and transparency, as a person's camera or drawing program writes it."""
    mode = draw(st.sampled_from(sorted(KINDS)))
    side = st.integers(1, 40)
    picture = random_picture(draw(st.integers(0, 99)), draw(side), draw(side))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(random_picture(7, *picture.size).convert("L"))
    options = {}
    if mode != "P" and draw(st.booleans()):
        tags = Image.Exif()
        tags[0x0112] = draw(st.integers(0, 9))
        options["exif"] = tags
    file = io.BytesIO()
    picture.save(file, KINDS[mode], **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def classifier(classifier_folder):
    return load_classifier(classifier_folder)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=pictures())
def test_every_door_gives_the_same_pixels(classifier, tmp_path: Path, data: bytes) -> None:
    """A query as a file and as a picture, a target, a support image on disk and the body of a request."""
    path = tmp_path / "picture"
    path.write_bytes(data)
    expected = np.asarray(open_image(data))  # what a build keeps, and what the service decodes

    def lazy() -> Image.Image:  # by name Pillow maps an uncompressed TIFF into memory and turns it twice
        return Image.open(io.BytesIO(data))

    target = TargetSplit(((path, 0), (lazy, 0)), ("file", "made"))
    for image in (decode(path), decode(lazy()), target.image(0), target.image(1)):
        assert np.array_equal(np.asarray(image), expected)
    encoder = classifier.encoder
    upright = encoder.encode_images([Image.fromarray(expected)])
    assert upright.equal(encoder.encode_images([path]))
    assert upright.equal(encoder.encode_images([lazy()]))
