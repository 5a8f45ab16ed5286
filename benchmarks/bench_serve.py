"""What the service adds to the encoder: 95th percentiles of one request at a time, and throughput of 32 clients.

``python benchmarks/bench_serve.py [--quick]``. The service is a process of its own on loopback; the bare encoder
decodes and encodes the same bytes in this process, with the same number of threads, in turns of ten.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from bench_predict import write_classifier
from PIL import Image

from susx.classifier import load_classifier
from susx.demo.textures import CATEGORIES, render

__all__ = ["run"]


def run(quick: bool) -> dict[str, Any]:
    """Measure; ``quick`` sends fewer requests."""
    count = 100 if quick else 1000
    with tempfile.TemporaryDirectory() as name:
        folder = write_classifier(Path(name) / "classifier")
        encoder = load_classifier(folder).encoder
        bodies = [_jpeg(i) for i in range(32)]
        code = "import sys; from susx.cli import main; main(sys.argv[1:])"
        arguments = [sys.executable, "-c", code, "serve", "--classifier", str(folder), "--port", "0"]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                url = next(
                    found[0] for line in process.stderr if (found := re.findall(r"http://\S+:\d+", line))
                )
                bare, served = _in_turns(encoder, url, bodies, count)
                rate = asyncio.run(_throughput(url, bodies, count))
            finally:
                process.terminate()
    return {
        "requests": count,
        "bare p50 ms": _percentile(bare, 50),
        "bare p95 ms": _percentile(bare, 95),
        "service p50 ms": _percentile(served, 50),
        "service p95 ms": _percentile(served, 95),
        "p95 overhead ms": round(_percentile(served, 95) - _percentile(bare, 95), 2),
        "p50 overhead ms": round(_percentile(served, 50) - _percentile(bare, 50), 2),
        "wanted": "p95 overhead <= 5 ms",
        "images/s of 32 clients": round(rate, 1),
    }


def _in_turns(encoder: Any, url: str, bodies: list[bytes], count: int) -> tuple[list[float], list[float]]:
    bare, served = [], []
    with httpx.Client(
        base_url=url, timeout=60, trust_env=False, transport=httpx.HTTPTransport(retries=20)
    ) as client:
        while client.get("/healthz").status_code != 200:
            time.sleep(0.1)
        # In turns of ten, with a rest between: the threads of a matrix product go on spinning for a while after it,
        # and on two cores those of one process would be timed in the other.
        for start in range(-10, count, 10):  # the first ten warm up both
            for seconds, ask in (
                (bare, lambda body: encoder.encode_images([Image.open(io.BytesIO(body)).convert("RGB")])),
                (served, lambda body: client.post("/predict", content=body).raise_for_status()),
            ):
                time.sleep(0.3)
                for i in range(start, start + 10):
                    started = time.perf_counter()
                    ask(bodies[i % len(bodies)])
                    if start >= 0:
                        seconds.append(time.perf_counter() - started)
    return bare, served


async def _throughput(url: str, bodies: list[bytes], count: int) -> float:
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:

        async def one(number: int) -> None:
            for i in range(count // 32 + 1):
                (await client.post("/predict", content=bodies[(number + i) % len(bodies)])).raise_for_status()

        started = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(32)))
    return 32 * (count // 32 + 1) / (time.perf_counter() - started)


def _jpeg(index: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(render(CATEGORIES[index], "camera", "test", 0)).resize((320, 240)).save(
        stream, "jpeg", quality=90
    )
    return stream.getvalue()


def _percentile(seconds: list[float], percent: int) -> float:
    return round(1000 * statistics.quantiles(seconds, n=100)[percent - 1], 2)


if __name__ == "__main__":
    json.dump(run("--quick" in sys.argv), sys.stdout, indent=2)
