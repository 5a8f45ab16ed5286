"""Decoding: every hostile or odd file is either an upright RGB picture or a named reason."""

import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from susx.image_files import BadImage, ImageLimits, open_image, save_upright
from susx.images.inspect import inspect_file, inspect_files
from susx.testing.http_images import bomb_png, encoded, random_picture

PICTURE = random_picture(1)
ARRAY = np.asarray(PICTURE).astype(int)


def distance(image):
    return np.abs(np.asarray(image).astype(int) - ARRAY).mean()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "not-an-image"),
        (b"\n<svg xmlns='http://www.w3.org/2000/svg'/>", "format-svg"),
        (b"\x00\x01garbage" * 50, "not-an-image"),
        (b"<html><body><svg></svg></body></html>", "not-an-image"),
        (b"<?xml version='1.0'?><!-- x --><!DOCTYPE svg PUBLIC 'y'><svg></svg>", "format-svg"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "format-heic"),
        (b"\0\0\0\x18ftypmif1" + bytes(50), "format-heic"),
        (b"\xff\x0a" + bytes(50), "format-jpeg-xl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), "format-jpeg-xl"),
        (encoded(PICTURE, "AVIF")[:400], "truncated"),
        (b"%PDF-1.7 " + bytes(50), "not-an-image"),
        (b"\0\0\0\x18ftypisom" + bytes(50), "not-an-image"),
        (encoded(PICTURE)[:900], "truncated"),
        (encoded(PICTURE, "PNG")[:900], "truncated"),
        (bomb_png(), "too-many-pixels"),
        (bomb_png(8000), "too-many-pixels"),
        (encoded(PICTURE, "PNG") + b"\0" * 20_000_001, "too-large"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "format-eps"),
    ],
    ids=[
        "empty",
        "html",
        "svg",
        "garbage",
        "page-with-svg",
        "svg-with-doctype",
        "heic",
        "heif",
        "jpeg-xl",
        "jpeg-xl-in-a-box",
        "cut-avif",
        "pdf",
        "video",
        "cut-jpeg",
        "cut-png",
        "bomb",
        "small-bomb",
        "large",
        "postscript",
    ],
)
def test_bad_files_are_rejected_by_name(data, reason):
    """Each kind of bad file has its reason; nothing but BadImage is raised."""
    with pytest.raises(BadImage) as caught:
        open_image(data)
    assert caught.value.reason == reason


def test_a_mutated_file_is_a_picture_or_a_reason():
    """Whatever bytes are flipped, the outcome is a picture or a BadImage."""
    generator = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"):
        data = np.frombuffer(encoded(PICTURE, kind), dtype=np.uint8)
        for _ in range(40):
            broken = data.copy()
            broken[generator.integers(0, len(data), 8)] = generator.integers(0, 256, 8)
            with contextlib.suppress(BadImage):
                assert open_image(broken.tobytes()).mode == "RGB"


def test_cmyk_keeps_its_colours():
    """A CMYK JPEG comes back in the colours it was made of."""
    assert distance(open_image(encoded(PICTURE.convert("CMYK"), quality=95))) < 3


def test_sixteen_bits_are_scaled_not_clipped():
    """A 16-bit grey ramp stays a ramp."""
    ramp = np.linspace(0, 65535, 256 * 4).astype(np.uint16).reshape(4, 256)
    values = np.asarray(open_image(encoded(Image.fromarray(ramp), "PNG")))[..., 0]
    assert values.min() == 0
    assert values.max() == 255
    assert np.array_equal(values, (ramp >> 8).astype(np.uint8))


def test_an_animation_is_its_first_frame():
    """An animated GIF becomes its first frame."""
    data = encoded(PICTURE, "GIF", save_all=True, append_images=[random_picture(2)])
    assert distance(open_image(data)) < 12 < distance(random_picture(2))


def test_exif_rotation_is_applied():
    """A picture stored lying comes back upright."""
    tags = Image.Exif()
    tags[0x0112] = 6
    lying = PICTURE.transpose(Image.Transpose.ROTATE_90)
    image = open_image(encoded(lying, exif=tags, quality=95))
    assert image.size == PICTURE.size
    assert distance(image) < 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(mode):
    """Transparent pixels are white, not black."""
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    options = {"transparency": 0} if mode == "P" else {}
    assert np.asarray(open_image(encoded(clear, "PNG", **options))).min() == 255


def test_the_limits_are_the_callers():
    """A picture larger than the caller's pixels is refused before it is decoded."""
    with pytest.raises(BadImage, match="at most 100"):
        open_image(encoded(PICTURE), ImageLimits(max_pixels=100))


def test_saving_scales_the_shorter_side_down_only(tmp_path):
    """The shorter side shrinks to the limit, smaller pictures keep their size, and no partial file stays."""
    save_upright(PICTURE, tmp_path / "deep" / "a.jpg", shortest=36)
    save_upright(PICTURE, tmp_path / "deep" / "b.jpg", shortest=500)
    assert Image.open(tmp_path / "deep" / "a.jpg").size == (48, 36)
    assert Image.open(tmp_path / "deep" / "b.jpg").size == PICTURE.size
    assert len(list((tmp_path / "deep").iterdir())) == 2


def test_inspection_keeps_order_and_counts_bad_files(tmp_path):
    """Facts come in the files' order; near copies have near hashes; a bad file is a fact with a reason."""
    PICTURE.save(tmp_path / "a.jpg", quality=95)
    PICTURE.resize((192, 144)).save(tmp_path / "b.png")
    random_picture(5).save(tmp_path / "c.jpg")
    (tmp_path / "d.jpg").write_bytes(b"<html>")
    a, b, c, d = inspect_files(sorted(tmp_path.iterdir()))
    assert (a.width, a.height, b.width) == (96, 72, 192)

    def bits(x, y):
        return bin(int(x.phash, 16) ^ int(y.phash, 16)).count("1")

    assert bits(a, b) <= 4 < bits(a, c)
    assert d.problem == "not-an-image"
    assert d.phash == ""
    assert len(d.digest) == 64
    assert inspect_file(tmp_path / "a.jpg") == a


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("JPEG", "jfif"),
        ("JPEG", "jpe"),
        ("JPEG2000", "jp2"),
        ("PPM", "pnm"),
        ("AVIF", "avif"),
        ("AVIF", "jpg"),
    ],
)
def test_every_format_is_decoded_whatever_its_ending(tmp_path, kind, ending):
    """A file's content says what it is."""
    PICTURE.save(tmp_path / f"a.{ending}", format=kind)
    assert distance(open_image(tmp_path / f"a.{ending}")) < 12


def test_integers_of_unknown_range_are_told_and_16_bits_are_scaled():
    """A 32-bit TIFF of values to 255 was all black; a 16-bit PNG or PGM has the range of its bits."""
    ramp = np.tile(np.arange(256), (64, 1))
    file = io.BytesIO()
    Image.fromarray(ramp.astype(np.int32)).save(file, "TIFF")
    with pytest.raises(BadImage, match="unknown range") as caught:
        open_image(file.getvalue())
    assert caught.value.reason == "unsupported"
    for kind in ("PNG", "PPM"):
        file = io.BytesIO()
        Image.fromarray((ramp * 257).astype(np.uint16)).save(file, kind)
        assert np.array_equal(np.asarray(open_image(file.getvalue()))[..., 0], ramp)
