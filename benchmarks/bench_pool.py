"""The embedded pool: drawing and embedding it, and a new store's first build with it, against a file a picture.

Drawn once a user, then copied into each store. It lies in one file of pictures; before, each of 8,000 pictures was a file that was copied
and brought to the disk. ``index build`` is measured beside its decoder and its model. ``SUSX_BENCH_FORMER`` names a revision of git whose
drawing is measured in turns with that of today, as it was called then: with all of torch's threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_encode import _ceiling, _untrained
from PIL import Image
from timing import best_of

from susx.config import EncoderConfig
from susx.demo.pool import POOL_SIZE
from susx.demo.pool_index import write_pool_index
from susx.device import one_thread
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
        pool = _draw(folder, work, encoder, drawn, 2 if quick else 1)
        ref = store.commit(job, seconds=0.0, counts={})
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
    copied = {
        "pictures": drawn, "one file, s": round(one, 2), "a file a picture, s": round(many, 2), "ratio": round(one / many, 2),
        "<= 0.5": one <= 0.5 * many,
    }  # fmt: skip
    return {
        "tables": [
            {"title": "Drawing and embedding the pool, two processes", "rows": pool},
            {"title": "Copying it into a new store", "rows": [copied]},
            {"title": "susx index build --tool susx, ViT-B/32 with random weights", "rows": [indexed]},
        ],
        "threads": torch.get_num_threads(),
    }


def _draw(folder: Path, work: Path, encoder: Any, count: int, turns: int) -> list[dict]:
    """Draw the pool into ``work``; where a former revision is named, in turns with its drawing."""

    def embed(jpegs: Any) -> Any:
        return encoder.encode_images(open_image(jpeg) for jpeg in jpegs)

    ways: dict[str, tuple[Any, Any]] = {"today": (write_pool_index, one_thread)}
    if revision := os.environ.get("SUSX_BENCH_FORMER"):
        ways = {revision: (_former(revision, folder / "former"), contextlib.nullcontext), **ways}
    best: dict[str, dict] = {}
    for _ in range(turns):
        for name, (write, threads) in ways.items():
            place = work if name == "today" else folder / "drawn"
            began, processor = time.perf_counter(), _processor()
            with threads():
                write(place, embed, count)
            wall, processor = time.perf_counter() - began, _processor() - processor
            digest = hashlib.sha256()
            for file in sorted(path for path in place.rglob("*") if path.is_file()):
                digest.update(file.read_bytes())
            row = {
                "drawing": name, "pictures": count, "processor s": round(processor, 1), "wall s": round(wall, 1),
                "ms a picture": round(1000 * processor / count, 2), "bytes": digest.hexdigest()[:8],
            }  # fmt: skip
            best[name] = min(best.get(name, row), row, key=lambda one: float(one["processor s"]))
    first = next(iter(best.values()))
    for row in best.values():
        row |= {
            "of the first, processor": round(row["processor s"] / first["processor s"], 2),
            "of the first, wall": round(row["wall s"] / first["wall s"], 2),
        }
    return list(best.values())


def _former(revision: str, folder: Path) -> Any:
    """Return ``write_pool_index`` of another revision, its modules under a name of their own."""
    root, name = Path(__file__).parents[1], "former_demo"
    folder.mkdir()
    archive = subprocess.run(
        ["git", "-C", root, "archive", revision, "susx/demo"], capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    (folder / "susx" / "demo").rename(folder / name)
    for file in (folder / name).rglob("*.py"):
        file.write_text(file.read_text(encoding="utf-8").replace("susx.demo", name), encoding="utf-8")
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return importlib.import_module(f"{name}.pool_index").write_pool_index


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
