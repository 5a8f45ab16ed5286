"""Drawing: the same images whatever the batches, resume at every image, rejection, memory."""

from __future__ import annotations

import hashlib
import inspect
import random
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from susx.errors import GenerationError, StoreError
from susx.images.generate import Distinctness, DrawSettings, LoadedPipeline, draw, plan_requests, support_row

JOB = Path(__file__).with_name("draw_job.py")


def digests(rows: list) -> dict[tuple[str, int], str]:
    """Digest of every image by class and index."""
    return {(row.request.class_name, row.request.index): row.digest for row in rows}


def stand_in(painter: LoadedPipeline, kind: type[StableDiffusionPipeline]) -> LoadedPipeline:
    """The same model behind another pipeline class."""
    pipe = kind(**painter.pipe.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return replace(painter, pipe=pipe)


def test_batch_size_order_and_threads_do_not_change_a_byte(painter, quick, tmp_path):
    """One at a time, five at a time, shuffled, on one thread or two: the same files."""
    requests = [
        *plan_requests("woven", ["woven texture.", "a woven thing."], 5),
        *plan_requests("grid", ["grid"], 4),
    ]
    expected = digests(draw(painter, requests, tmp_path / "one", settings=quick, batch_size=1))
    assert len(set(expected.values())) == 9
    shuffled = random.Random(3).sample(requests, len(requests))
    assert digests(draw(painter, shuffled, tmp_path / "five", settings=quick, batch_size=5)) == expected
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        assert digests(draw(painter, requests, tmp_path / "other", settings=quick, batch_size=4)) == expected
    finally:
        torch.set_num_threads(threads)


def test_root_seed_class_prompt_and_index_each_change_the_image(painter, quick, tmp_path):
    """No two requests share their noise."""
    base = plan_requests("woven", ["a texture"], 2)
    others = [
        replace(base[0], root_seed=1),
        replace(base[0], class_name="knitted"),
        replace(base[0], prompt="texture"),
    ]
    rows = draw(painter, [*base, *others], tmp_path, settings=quick)
    assert len({row.seed for row in rows}) == len({row.digest for row in rows}) == 5


def test_fewer_images_than_a_batch(painter, quick, tmp_path):
    """Three requested with a batch of eight: three drawn, in the order of the requests."""
    rows = draw(painter, plan_requests("grid", ["grid"], 3), tmp_path, settings=quick, batch_size=8)
    assert [row.request.index for row in rows] == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 3


def test_more_per_class_draws_only_the_rest(painter, quick, tmp_path):
    """25 become 50 by drawing 25."""
    first = draw(painter, plan_requests("grid", ["grid", "a grid"], 5), tmp_path, settings=quick)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    more = draw(painter, plan_requests("grid", ["grid", "a grid"], 10), tmp_path, settings=quick)
    assert more[:5] == first
    assert len(list(tmp_path.iterdir())) == 10
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_damaged_files_are_redrawn_and_only_they(painter, quick, tmp_path):
    """A cut-off, an altered and a missing file come back byte for byte; a sound one is left alone."""
    requests = plan_requests("grid", ["grid"], 4)
    rows = draw(painter, requests, tmp_path, settings=quick)
    cut, altered, missing, sound = (tmp_path / row.file for row in rows)
    cut.write_bytes(cut.read_bytes()[:-40])
    with Image.open(altered) as image:
        text, pixels = image.text, np.array(image)
    pixels[0, 0] ^= 1
    info = PngInfo()
    for key, value in text.items():
        info.add_itxt(key, value)
    Image.fromarray(pixels).save(altered, pnginfo=info)
    missing.unlink()
    stamp = sound.stat().st_mtime_ns
    assert draw(painter, requests, tmp_path, settings=quick) == rows
    assert [hashlib.sha256((tmp_path / row.file).read_bytes()).hexdigest() for row in rows] == [
        r.digest for r in rows
    ]
    assert sound.stat().st_mtime_ns == stamp


def test_finished_images_of_an_earlier_run_are_taken_over(painter, quick, tmp_path):
    """A donor's images are copied, not drawn; another setting draws anew."""
    requests = plan_requests("grid", ["grid"], 3)
    rows = draw(painter, requests, tmp_path / "old", settings=quick)
    broken = replace(painter, pipe=object())  # drawing with it would fail
    assert (
        draw(broken, requests, tmp_path / "new", settings=quick, donors=[tmp_path / "old"], exact=False)
        == rows
    )
    other = draw(
        painter, requests, tmp_path / "other", settings=replace(quick, steps=3), donors=[tmp_path / "old"]
    )
    assert not {row.digest for row in other} & {row.digest for row in rows}


def test_two_sigkills_leave_the_table_as_it_would_have_been(random_model, tmp_path):
    """Killed twice while drawing, then run to its end: the table is byte-equal to that of an uninterrupted run."""
    words = [sys.executable, str(JOB), str(random_model)]
    runpy.run_path(str(JOB))["main"](random_model, tmp_path / "whole", tmp_path / "whole.json")
    out, table = tmp_path / "killed", tmp_path / "killed.json"
    for enough in (3, 9):
        job = subprocess.Popen([*words, str(out), str(table)])
        deadline = time.monotonic() + 400
        while len(list(out.glob("0*.png"))) < enough:
            assert job.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        job.send_signal(signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
        assert len(list(out.glob("0*.png"))) < 24
    assert not table.exists()
    subprocess.run([*words, str(out), str(table)], check=True)
    assert table.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert {p.name: p.read_bytes() for p in out.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "whole").iterdir()
    }


def test_memory_running_out_halves_the_batch(painter, quick, tmp_path, caplog):
    """With room for two images at a time, eight requested at once are all drawn, and the same."""

    sizes: list[int] = []

    class Small(StableDiffusionPipeline):
        def __call__(self, prompt=None, **rest):
            sizes.append(len(prompt))
            if len(prompt) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
            return super().__call__(prompt=prompt, **rest)

    Small.__call__.__signature__ = inspect.signature(StableDiffusionPipeline.__call__)
    requests = plan_requests("grid", ["grid"], 8)
    rows = draw(stand_in(painter, Small), requests, tmp_path / "small", settings=quick, batch_size=8)
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert "going on with 2" in caplog.text
    assert digests(rows) == digests(draw(painter, requests, tmp_path / "large", settings=quick, batch_size=8))


def test_no_memory_for_one_image_is_an_error(painter, quick, tmp_path):
    """The message names the model and what to do."""

    class Full(StableDiffusionPipeline):
        def __call__(self, prompt=None, **rest):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(GenerationError, match="does not fit the memory of cpu"):
        draw(stand_in(painter, Full), plan_requests("grid", ["grid"], 2), tmp_path, settings=quick)


class Dark(StableDiffusionPipeline):
    """Blacks out what its class variables say, as a safety checker does."""

    nights = 0
    flag = False

    def __call__(self, prompt=None, height=None, width=None, num_inference_steps=50, guidance_scale=7.5,
                 negative_prompt=None, generator=None, output_type="pil"):  # fmt: skip
        """Draw, then blacken the first picture."""
        output = super().__call__(prompt=prompt, num_inference_steps=num_inference_steps, generator=generator)
        if type(self).nights > 0:
            type(self).nights -= 1
            output.images[0] = Image.new("RGB", output.images[0].size)
            output.nsfw_content_detected = [type(self).flag] + [False] * (len(prompt) - 1)
        return output


def test_a_black_image_is_drawn_again_with_the_next_seed(painter, quick, tmp_path):
    """The redrawing has another seed, is counted, and survives a resume."""
    Dark.nights, Dark.flag = 1, True
    requests = plan_requests("grid", ["grid"], 3)
    rows = draw(stand_in(painter, Dark), requests, tmp_path, settings=quick)
    assert [row.attempts for row in rows] == [2, 1, 1]
    assert [row.seed for row in rows] == [requests[0].seed(1), requests[1].seed(), requests[2].seed()]
    assert not any(row.rejected for row in rows)
    assert draw(painter, requests, tmp_path, settings=quick) == rows


@pytest.mark.parametrize(("flag", "rule"), [(True, "safety-checker"), (False, "black")])
def test_an_image_that_stays_black_is_recorded_as_rejected(painter, tmp_path, flag, rule):
    """After the last redrawing there is a row without a file, and no new drawing at the next run."""
    Dark.nights, Dark.flag = 3, flag
    settings = DrawSettings(steps=1, guidance=1.0, max_redraws=2)
    requests = plan_requests("grid", ["grid"], 1)
    (row,) = draw(stand_in(painter, Dark), requests, tmp_path, settings=settings)
    assert (row.rejected, row.attempts, row.file, row.digest) == (rule, 3, "", "")
    assert support_row(row).rejected == rule
    assert not list(tmp_path.glob("*.png"))
    assert draw(replace(painter, pipe=object()), requests, tmp_path, settings=settings, exact=False) == [row]


def test_indistinct_images_are_redrawn_then_rejected(painter, quick, tmp_path):
    """A scorer that prefers another class rejects; within the margin it does not."""
    requests = plan_requests("grid", ["grid"], 2)

    def score(images):
        return np.tile([0.2, 0.3], (len(images), 1))

    strict = Distinctness(("grid", "woven"), score, margin=0.05, name="test")
    rows = draw(painter, requests, tmp_path, settings=replace(quick, max_redraws=1), distinctness=strict)
    assert [(row.rejected, row.attempts) for row in rows] == [("indistinct", 2)] * 2
    assert "more like 'woven' (0.300) than like 'grid' (0.200)" in rows[0].detail
    loose = replace(strict, margin=0.2)
    rows = draw(painter, requests, tmp_path, settings=quick, distinctness=loose)
    assert not any(row.rejected for row in rows)


def test_class_names_never_become_paths(painter, quick, tmp_path):
    """Slashes, quotes, emoji and 300 characters: files lie flat, the PNG holds the name."""
    for name in ("a/b", "../up", 'it\'s "so"', "🧶 yarn", "x" * 300):
        (row,) = draw(painter, plan_requests(name, [f"a {name}"], 1), tmp_path, settings=quick)
        with Image.open(tmp_path / row.file) as image:
            assert image.text["Class"] == name
    assert len(list(tmp_path.iterdir())) == 5


def test_settings_the_model_refuses(painter, tmp_path):
    """A width that is no multiple of 8 is one readable error."""
    with pytest.raises(GenerationError, match=r"size=17x16.*divisible by 8"):
        draw(
            painter,
            plan_requests("grid", ["grid"], 1),
            tmp_path,
            settings=DrawSettings(steps=1, width=17, height=16),
        )


def test_a_folder_that_cannot_be_written(painter, quick, tmp_path):
    """A file where the folder should be: refused before anything is drawn."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        draw(painter, plan_requests("grid", ["grid"], 1), tmp_path / "file", settings=quick)
