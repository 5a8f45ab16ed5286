"""Images per second of ``susx.images.generate.draw`` against a bare diffusers loop with the same batch.

``python benchmarks/bench_generate.py [--quick] [--model FOLDER_OR_ID]``. Both draw the same requests in one process,
in turns; ours also hashes, writes and describes every image. The ratio is of the best turn of each.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from timing import best_of

from susx.demo.diffusion_model import tiny_diffusion
from susx.demo.textures import CATEGORIES
from susx.images.generate import (
    DrawSettings,
    ImageRequest,
    LoadedPipeline,
    draw,
    load_pipeline,
    plan_requests,
)
from susx.images.generate.exact_tiles import TILE_ROWS


def run(quick: bool, model: str | None = None) -> dict[str, object]:
    """Measure; sizes are small enough for two CPU cores when ``quick``."""
    source = model or str(tiny_diffusion())
    settings = DrawSettings(steps=10 if quick else 20, guidance=4.0)
    batch, count, turns = (8, 16, 2) if quick else (16, 48, 3)
    names = CATEGORIES[:8]
    requests = [r for name in names for r in plan_requests(name, [f"{name} texture."], count // len(names))]
    out: dict[str, object] = {
        "model": source,
        "images": len(requests),
        "batch": batch,
        "steps": settings.steps,
    }
    for label, options in _variants().items():
        loaded = load_pipeline(source, **options)
        out[label] = _compare(loaded, requests, settings, batch, turns)
        if loaded.device == "cpu":
            out["where exactness costs time, ms a call"] = _tiles(loaded, 4 * turns)
    out["peak_resident_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return out


def _tiles(loaded: LoadedPipeline, turns: int) -> dict[str, float]:
    """Time the denoiser on two tiles: as one batch, one tile alone, both side by side, and both without Python between operators.

    What both tiles cost beyond one is what their threads wait for Python's lock. A traced graph never takes it; it is
    measured and not used, as its API is deprecated.
    """
    unet, threads = loaded.pipe.unet, torch.get_num_threads()
    side, width = unet.config.sample_size, loaded.pipe.text_encoder.config.hidden_size
    x = torch.randn(2 * TILE_ROWS, unet.config.in_channels, side, side)
    words = torch.randn(2 * TILE_ROWS, loaded.pipe.tokenizer.model_max_length, width)
    step = torch.tensor(500)

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = unet

        def forward(self, x: torch.Tensor, step: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
            return self.unet(x, step, encoder_hidden_states=words, return_dict=False)[0]

    def call(model: Callable[..., torch.Tensor], first: int, last: int) -> torch.Tensor:
        with torch.no_grad():
            return model(x[first:last], step, words[first:last])

    def both(model: Callable[..., torch.Tensor]) -> None:
        list(pool.map(call, (model, model), (0, TILE_ROWS), (TILE_ROWS, 2 * TILE_ROWS)))

    plain = Plain().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        example = (x[:TILE_ROWS], step, words[:TILE_ROWS])
        traced = torch.jit.freeze(torch.jit.trace(plain, example, check_trace=False))
    seconds = {"one batch, all threads": best_of(turns, lambda: call(plain, 0, len(x)))[0]}
    torch.set_num_threads(1)
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        seconds["one tile, one thread"] = best_of(turns, lambda: call(plain, 0, TILE_ROWS))[0]
        seconds["two tiles side by side"] = best_of(turns, lambda: both(plain))[0]
        seconds["two tiles, traced"] = best_of(turns, lambda: both(traced))[0]
    torch.set_num_threads(threads)
    return {name: round(1000 * value, 1) for name, value in seconds.items()}


def _variants() -> dict[str, dict[str, object]]:
    if not torch.cuda.is_available():
        return {"cpu float32": {"device": "cpu"}}
    return {
        "cuda float32": {"device": "cuda"},
        "cuda float16": {"device": "cuda", "dtype": "float16"},
        "cuda bfloat16": {"device": "cuda", "dtype": "bfloat16"},
        "cuda float16 channels-last": {"device": "cuda", "dtype": "float16", "channels_last": True},
        "cuda float16 channels-last compiled": {
            "device": "cuda", "dtype": "float16", "channels_last": True, "compile": True,
        },
    }  # fmt: skip


def _compare(
    loaded: LoadedPipeline, requests: list[ImageRequest], settings: DrawSettings, batch: int, turns: int
) -> dict[str, float]:
    def bare() -> None:
        for start in range(0, len(requests), batch):
            some = requests[start : start + batch]
            loaded.pipe(
                [r.prompt for r in some], num_inference_steps=settings.steps, guidance_scale=settings.guidance,
                generator=[torch.Generator("cpu").manual_seed(r.seed()) for r in some], output_type="pil",
            )  # fmt: skip

    def ours(exact: bool | None) -> Callable[[], None]:
        def once() -> None:
            with tempfile.TemporaryDirectory() as folder:
                draw(loaded, requests, Path(folder), settings=settings, batch_size=batch, exact=exact)

        return once

    jobs: dict[str, Callable[[], None]] = {"bare": bare, "susx": ours(None)}
    if loaded.dtype == "float32":
        jobs["susx, not exact"] = ours(False)
    best = dict.fromkeys(jobs, float("inf"))
    bare()  # warm-up: kernels are chosen and compiled
    if loaded.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    for _ in range(turns):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            best[name] = min(best[name], time.perf_counter() - started)
    rates = {f"{name} images/s": len(requests) / seconds for name, seconds in best.items()}
    rates["ratio"] = best["bare"] / best["susx"]
    if loaded.device.startswith("cuda"):
        rates["peak_device_bytes"] = float(torch.cuda.max_memory_allocated())
    return rates


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    sys.stdout.write(json.dumps(run(arguments.quick, arguments.model), indent=2) + "\n")
