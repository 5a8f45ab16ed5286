"""The embedded pool: drawing and embedding it, and a new store's first build with it, against a file a picture.

Drawn once a user, then copied into each store. It lies in one file of pictures; before, each of 8,000 pictures was a file that was copied
and brought to the disk. ``index build`` is measured beside its decoder and its model.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench_encode import _ceiling, _untrained
from PIL import Image
from timing import best_of

from susx.config import EncoderConfig
from susx.demo.pool import POOL_SIZE
from susx.demo.pool_index import write_pool_index
from susx.features.encoder import load_encoder
from susx.image_files import open_image
from susx.images.retrieve.index_build import build_index
from susx.images.retrieve.packed_images import PackedImages
from susx.store import ArtefactStore, Job
from susx.store.user_cache import copy_artefact


def run(quick: bool) -> dict:
    """Draw a part of the pool, copy it in both ways, index photographs."""
    drawn, photographs, turns = (2000, 256, 3) if quick else (POOL_SIZE, 2000, 3)
    encoder = load_encoder(EncoderConfig(model="susx-tiny"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("SUSX_BENCH_FOLDER")) as scratch:
        folder = Path(scratch)
        store = ArtefactStore(folder / "shared")
        job = Job("pool", 2, "all", "", {"size": drawn})
        work = store.workspace(job, resume=False)
        began, processor = time.perf_counter(), _processor()
        write_pool_index(work, lambda jpegs: encoder.encode_images(open_image(jpeg) for jpeg in jpegs), drawn)
        wall, processor = time.perf_counter() - began, _processor() - processor
        ref = store.commit(job, seconds=wall, counts={})
        packed = PackedImages(store.folder(ref))
        pictures = [packed.get(number) for number in range(len(packed))]

        def one_file() -> None:
            target = ArtefactStore(folder / f"new-{time.monotonic_ns()}")
            place = target.workspace(job, resume=False)
            copy_artefact(store, ref, place)
            target.commit(job, seconds=0.0, counts={})

        def file_a_picture() -> None:
            target = ArtefactStore(folder / f"old-{time.monotonic_ns()}")
            place = target.workspace(job, resume=False)
            copy_artefact(store, ref, place)
            (place / "images.arrow").unlink()
            for number, jpeg in enumerate(pictures):
                (place / f"{number}.jpg").write_bytes(jpeg)
            target.commit(job, seconds=0.0, counts={})

        one, many = (best_of(turns, way)[0] for way in (one_file, file_a_picture))
        indexed = _index(folder, photographs, turns)
    pool = {
        "pictures": drawn, "processor s": round(processor, 1), "ms a picture": round(1000 * processor / drawn, 2), "wall s": round(wall, 1),
    }  # fmt: skip
    copied = {
        "pictures": drawn, "one file, s": round(one, 2), "a file a picture, s": round(many, 2), "ratio": round(one / many, 2),
        "<= 0.5": one <= 0.5 * many,
    }  # fmt: skip
    return {
        "tables": [
            {"title": "Drawing and embedding the pool, two processes", "rows": [pool]},
            {"title": "Copying it into a new store", "rows": [copied]},
            {"title": "susx index build --tool susx, ViT-B/32 with random weights", "rows": [indexed]},
        ],
        "threads": torch.get_num_threads(),
    }


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _index(folder: Path, count: int, turns: int) -> dict:
    encoder = _untrained("ViT-B-32")
    (folder / "photographs").mkdir()
    for number in range(count):
        low = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        picture = Image.fromarray(low).resize((640, 480), Image.Resampling.BICUBIC)
        picture.save(folder / "photographs" / f"{number}.jpg", quality=90)
    files = sorted((folder / "photographs").iterdir())
    parts = _ceiling(encoder, files[: min(count, 256)], turns)
    # In processor time too, which other work on the machine hardly moves.
    alone = best_of(1, lambda: [encoder._pooled(encoder.pixels([file])) for file in files[:32]])[1] / 32
    began, processor = time.perf_counter(), _processor()
    build_index(folder / "index", encoder, images=folder / "photographs", tool="susx")
    rate = count / (time.perf_counter() - began)
    spent = (_processor() - processor) / count
    smaller = min(value for name, value in parts.items() if "alone" in name)
    return {
        "photographs": count, **{name: value for name, value in parts.items() if "alone" in name or "ceiling" in name},
        "index build img/s": round(rate, 1), "of the smaller": round(rate / smaller, 2),
        "of the ceiling": round(rate / parts["ceiling img/s"], 2),
        "processor ms an image": round(1000 * spent, 1), "decoder and model alone": round(1000 * alone, 1),
    }  # fmt: skip
