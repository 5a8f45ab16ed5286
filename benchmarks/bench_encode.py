"""Encoding image files against a bare open_clip loop with the same batch size and loader. Target: >= 0.95 x.

Both decode on one thread ahead of the model. Turns alternate and the best of each counts. Memory is measured on
twice the images: it must not grow with their number (the result itself is 1 kB an image at 256 dimensions).
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image

from susx.config import EncoderConfig
from susx.features.encoder import Encoder, load_encoder
from susx.testing.http_images import encoded, random_picture

TARGET_RATIO = 0.95


def run(quick: bool) -> dict:
    """Compare on JPEG files with the embedded encoder."""
    count, turns = (1024, 3) if quick else (8192, 5)
    encoder = load_encoder(EncoderConfig(model="susx-tiny", batch_size=64))
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / f"{n}.jpg" for n in range(count)]
        for n, file in enumerate(files):
            file.write_bytes(encoded(random_picture(n, 256, 256)))
        ours = theirs = float("inf")
        encoder.encode_images(files[:128])
        for _ in range(turns):
            start = time.perf_counter()
            reference = _bare(encoder, files)
            middle = time.perf_counter()
            result = encoder.encode_images(files)
            theirs, ours = min(theirs, middle - start), min(ours, time.perf_counter() - middle)
        first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        encoder.encode_images(files * 2)
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) / 1024
    row = {
        "images": count, "bare img/s": round(count / theirs, 1), "ours img/s": round(count / ours, 1),
        "ratio": round(theirs / ours, 3), ">= 0.95": theirs / ours >= TARGET_RATIO,
        "largest difference": float((reference - result).abs().max()), "growth on twice the images, MB": round(growth, 1),
    }  # fmt: skip
    return {
        "tables": [{"title": f"Encoding with {encoder.id}, batches of 64", "rows": [row]}],
        "threads": torch.get_num_threads(),
    }


def _bare(encoder: Encoder, files: Sequence[Path]) -> torch.Tensor:
    """What one would write with open_clip alone: a decoding thread one batch ahead of the model."""

    def load(file: Path) -> torch.Tensor:
        with Image.open(file) as image:
            return encoder.preprocess(image.convert("RGB"))

    def batch(chunk: Sequence[Path]) -> torch.Tensor:
        return torch.stack([load(file) for file in chunk])

    chunks = [files[start : start + encoder.batch_size] for start in range(0, len(files), encoder.batch_size)]
    rows = []
    with ThreadPoolExecutor(1) as pool, torch.inference_mode():
        following = pool.submit(batch, chunks[0])
        for number in range(len(chunks)):
            images = following.result().to(encoder.device)
            if number + 1 < len(chunks):
                following = pool.submit(batch, chunks[number + 1])
            rows.append(torch.nn.functional.normalize(encoder.model.encode_image(images), dim=-1).cpu())
    return torch.cat(rows)
