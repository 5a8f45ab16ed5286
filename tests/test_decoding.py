"""Decoding in a process of its own: the same pixels, within the memory that is set aside, within a time, and gone afterwards."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from susx.children import child_environment
from susx.decoding import Decoders, bytes_held
from susx.image_files import BadImage, ImageLimits, open_image, picture_facts

LIMITS = ImageLimits(50_000_000, 20_000_000)
FORMS = [
    ("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "LA"), ("PNG", "I;16"), ("GIF", "P"), ("WEBP", "RGB"),
    ("WEBP", "RGBA"), ("TIFF", "RGBA"), ("BMP", "RGB"), ("PPM", "RGB"),
    *([("JPEG2000", "RGB"), ("JPEG2000", "RGBA")] if features.check("jpg_2000") else []),
    *([("AVIF", "RGB"), ("AVIF", "RGBA")] if features.check("avif") else []),
]  # fmt: skip


def encoded(kind, mode, side):
    """A picture with structure, so that no decoder is spared its work."""
    small = np.random.default_rng(0).integers(
        0, 255, (max(4, side // 20), max(4, side // 20), 4), dtype=np.uint8
    )
    picture = Image.fromarray(small).resize((side, side))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 200)
    else:
        picture = picture.convert(mode)
    stream = io.BytesIO()
    picture.save(stream, kind, **{"AVIF": {"speed": 10}, "WEBP": {"method": 0}}.get(kind, {}))
    return stream.getvalue()


@pytest.fixture(scope="module")
def decoders():
    made = Decoders(2, 60)
    yield made
    made.stop()


def decode(decoders, data, limits=LIMITS, held=lambda amount: nullcontext(), use=lambda image: image.copy()):
    return decoders.decode(data, limits, held, use)


@pytest.mark.parametrize(("kind", "mode"), FORMS)
def test_the_pixels_are_those_of_the_one_decoder(decoders, kind, mode):
    """Every format and mode, the same bytes as in this process; what it takes is asked for before it is decoded."""
    data, asked = encoded(kind, mode, 40), []

    @contextmanager
    def held(amount):
        asked.append(amount)
        yield

    found, right = decode(decoders, data, held=held), open_image(data, LIMITS)
    assert (found.mode, found.size) == ("RGB", right.size)
    assert found.tobytes() == right.tobytes()
    assert asked == [bytes_held(*picture_facts(data, LIMITS))]


@pytest.mark.parametrize("data", [b"", b"garbage", b"<html>", encoded("PNG", "RGB", 40)[:200]])
def test_bad_images_are_told_in_the_same_words(decoders, data):
    """What crosses the processes is the reason and the sentence."""
    with pytest.raises(BadImage) as right:
        open_image(data, LIMITS)
    with pytest.raises(BadImage) as found:
        decode(decoders, data)
    assert (found.value.reason, str(found.value)) == (right.value.reason, str(right.value))


def test_a_refused_budget_leaves_the_process_usable(decoders):
    """An answer of one picture is never taken for one of the next."""

    def refuse(amount):
        raise BadImage("too-large", "too much")

    red, blue = (io.BytesIO() for _ in range(2))
    Image.new("RGB", (20, 10), "red").save(red, "PNG")
    Image.new("RGB", (10, 20), "blue").save(blue, "PNG")
    for _ in range(4):
        with pytest.raises(BadImage, match="too much"):
            decode(decoders, red.getvalue(), held=refuse)
        assert decode(decoders, blue.getvalue()).getpixel((0, 0)) == (0, 0, 255)


def test_a_decoder_that_dies_or_never_ends_is_replaced():
    """Its picture is refused in words; the next one is decoded."""
    decoders = Decoders(1, 0.7)
    good = encoded("PNG", "RGB", 40)
    try:
        decoders.seconds = 60.0
        decode(decoders, good)
        decoders.seconds = 0.7
        for signal, reason in ((9, "unsupported"), (19, "too-slow")):  # killed; stopped, as one that hangs
            worker = decoders._free.get()
            os.kill(worker.process.pid, signal)
            decoders._free.put(worker)
            with pytest.raises(BadImage) as refused:
                decode(decoders, good)
            assert refused.value.reason == reason
            decoders.seconds = 60.0
            assert decode(decoders, good).size == (40, 40)
            decoders.seconds = 0.7
    finally:
        decoders.stop()


def test_this_process_runs_while_a_large_picture_is_decoded(decoders):
    """No decoder holds the interpreter: a thread that only counts keeps counting."""
    decode(decoders, encoded("PNG", "RGB", 40))
    data, longest, done = encoded("PNG", "RGBA", 3000), 0.0, threading.Event()

    def tick():
        nonlocal longest
        while not done.is_set():
            began = time.perf_counter()
            time.sleep(0.005)
            longest = max(longest, time.perf_counter() - began)

    thread = threading.Thread(target=tick)
    thread.start()
    decode(decoders, data, use=lambda image: image.size)
    done.set()
    thread.join()
    assert longest < 2


MEASURE = """
import re, sys
from pathlib import Path
from susx.image_files import ImageLimits, open_image
data = Path(sys.argv[1]).read_bytes()
def held(what):
    return 1024 * int(re.search(what + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = held("VmRSS")
image = open_image(data, ImageLimits(100_000_000, 100_000_000))
pixels = image.tobytes()
print((held("VmHWM") - before) / (image.width * image.height))
"""


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("kind", "mode"), FORMS)
def test_no_decoder_takes_more_than_is_set_aside(kind, mode, tmp_path):
    """The peak of a process that decodes one large picture, against the table."""
    data = encoded(kind, mode, 1600)
    (tmp_path / "picture").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "picture")], capture_output=True, text=True, check=True, env=child_environment(),
    )  # fmt: skip
    set_aside = bytes_held(*picture_facts(data, LIMITS)) / 1600**2
    assert float(done.stdout) <= set_aside


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_given_back(decoders):
    """After large pictures the processes hold little more than before."""
    data = encoded("PNG", "RGBA", 2500)
    decode(decoders, encoded("PNG", "RGB", 40))
    worker = decoders._free.get()
    decoders._free.put(worker)

    def resident():
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{worker.process.pid}/status").read_text())
        return 1024 * int(found[1])

    before = resident()
    for _ in range(3):
        decode(decoders, data, use=lambda image: image.size)
    time.sleep(0.5)
    assert resident() - before < 30_000_000
