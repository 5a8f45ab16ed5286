"""Encoding image files against a bare open_clip loop, and against decoding alone and the model alone.

Both loops decode on one thread ahead of the model. Turns alternate and the best of each counts. Memory is measured on
twice the images: it must not grow with their number (the result itself is 1 kB an image at 256 dimensions).

Where decoding and model share the processor's cores, neither can run as it does alone: the seconds of an image add up.
``ceiling`` is that sum's inverse on a CPU, and the smaller of the two where the model has a device of its own.
"""

from __future__ import annotations

import io
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from timing import best_of

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
        ceilings = [_ceiling(encoder, files, turns)]
        large = _untrained("ViT-B-32")
        ceilings.append(_ceiling(large, files[: count // 8], turns))
        decoders = [row for side in (256, 1024) for row in _decoders(encoder, Path(scratch), side, turns)]
    row = {
        "images": count, "bare img/s": round(count / theirs, 1), "ours img/s": round(count / ours, 1),
        "ratio": round(theirs / ours, 3), ">= 0.95": theirs / ours >= TARGET_RATIO,
        "largest difference": float((reference - result).abs().max()), "growth on twice the images, MB": round(growth, 1),
    }  # fmt: skip
    return {
        "tables": [
            {"title": f"Encoding with {encoder.id}, batches of 64", "rows": [row]},
            {"title": "The same against its parts alone", "rows": ceilings},
            {"title": "Decoders on one thread: a JPEG to the model's input", "rows": decoders},
        ],
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


def _untrained(name: str) -> Encoder:
    """A model of a published architecture with random weights: as slow as the trained one."""
    import open_clip

    encoder = load_encoder(EncoderConfig(model="susx-tiny", batch_size=32))
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    return Encoder(
        replace(encoder.identity, model=name), model, preprocess, open_clip.get_tokenizer(name),
        device=str(encoder.device), batch_size=32, workers=encoder.workers,
    )  # fmt: skip


def _ceiling(encoder: Encoder, files: Sequence[Path], turns: int) -> dict[str, Any]:
    cores = torch.get_num_threads()

    def decode() -> None:
        with ThreadPoolExecutor(cores) as pool:
            for _ in pool.map(encoder.prepare, files):
                pass

    batch = torch.stack([encoder.prepare(file) for file in files[: encoder.batch_size]])
    batches = len(files) // encoder.batch_size

    def model() -> None:
        for _ in range(batches):
            encoder._pooled(batch.to(encoder.device)).cpu()

    rate = len(files) / best_of(turns, lambda: encoder.encode_images(files))[0]
    decoding = len(files) / best_of(turns, decode)[0]
    modelling = batches * len(batch) / best_of(turns, model)[0]
    shared = encoder.device.type == "cpu"
    ceiling = 1 / (1 / decoding + 1 / modelling) if shared else min(decoding, modelling)
    return {
        "model": encoder.id, f"decoding alone, {cores} threads, img/s": round(decoding, 1), "model alone img/s": round(modelling, 1),
        "ours img/s": round(rate, 1), "share of the smaller": round(rate / min(decoding, modelling), 3),
        "ceiling img/s": round(ceiling, 1), "share of the ceiling": round(rate / ceiling, 3),
    }  # fmt: skip


def _decoders(encoder: Encoder, scratch: Path, side: int, turns: int) -> list[dict[str, Any]]:
    """Compare Pillow, Pillow's scaling while it decodes, and torchvision's decoder, by time and by what the model then says."""
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms.functional import to_pil_image

    files = [scratch / f"{side}-{n}.jpg" for n in range(48)]
    for n, file in enumerate(files):
        file.write_bytes(encoded(random_picture(n, side, side)))
    size = encoder.preprocess.transforms[0].size  # type: ignore[attr-defined]
    size = size if isinstance(size, int) else min(size)

    def drafted(file: Path) -> torch.Tensor:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            image.draft("RGB", (2 * size, 2 * size))  # never below twice what the model is given
            return encoder.preprocess(image.convert("RGB"))

    def by_torchvision(file: Path) -> torch.Tensor:
        return encoder.preprocess(to_pil_image(decode_jpeg(read_file(str(file)), ImageReadMode.RGB)))

    ways: dict[str, Callable[[Path], torch.Tensor]] = {
        "open_image (Pillow)": encoder.prepare, "Pillow, draft": drafted, "torchvision": by_torchvision,
    }  # fmt: skip
    expected = torch.stack([encoder.prepare(file) for file in files])
    features = encoder._normalise(encoder._pooled(expected))
    rows = []
    for name, way in ways.items():
        seconds = best_of(turns, lambda way=way: [way(file) for file in files])[0]
        got = torch.stack([way(file) for file in files])
        cosine = (encoder._normalise(encoder._pooled(got)) * features).sum(dim=1).min()
        rows.append(
            {
                "picture": f"{side} x {side}", "decoder": name, "ms an image": round(1000 * seconds / len(files), 2),
                "largest difference of the input": round(float((got - expected).abs().max()), 4),
                "least cosine of the feature": round(float(cosine), 5),
            }
        )  # fmt: skip
    return rows
