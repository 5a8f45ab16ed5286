"""200 clients at the service for a minute (``--full``: five): answers per second, times, memory, and that every answer is right.

``python benchmarks/bench_load.py [--full]``. The service is a process of its own on loopback; clients and service share the
machine's cores, so what the clients cost is in the numbers. The bare encoder decodes and encodes the same photographs
in this process, alone, in batches of 32.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_predict import write_classifier
from bench_serve import _jpeg
from PIL import Image

from susx.classifier import load_classifier
from susx.image_files import open_image

__all__ = ["run"]

CLIENTS = 200


def run(quick: bool) -> dict[str, Any]:
    """Measure for a minute, or for five."""
    seconds = 60 if quick else 300
    with tempfile.TemporaryDirectory() as name:
        folder = write_classifier(Path(name) / "classifier")
        classifier = load_classifier(folder)
        bodies = [_jpeg(i) for i in range(32)]
        expected = [
            (p.classes[0].class_name, p.classes[0].probability)
            for p in classifier.predict([Image.open(io.BytesIO(body)) for body in bodies], top_k=1)
        ]
        bare = _bare(classifier.encoder, bodies)
        code = "import sys; from susx.cli import main; main(sys.argv[1:])"
        arguments = [sys.executable, "-c", code, "serve", "--classifier", str(folder), "--port", "0"]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                port = next(
                    int(found[0])
                    for line in process.stderr
                    if (found := re.findall(r"http://\S+:(\d+)", line))
                )
                times, wrong, refused, memory = asyncio.run(
                    _load(port, process.pid, bodies, expected, seconds)
                )
            finally:
                process.terminate()
    times.sort()
    settled = memory[len(memory) // 6 :]  # the first sixth warms up
    return {
        "clients": CLIENTS,
        "seconds": seconds,
        "answers": len(times),
        "answers/s": round(len(times) / seconds, 1),
        "bare encoder images/s": round(bare, 1),
        "share of the bare encoder": round(len(times) / seconds / bare, 2),
        "p50 ms": round(1000 * statistics.median(times)),
        "p99 ms": round(1000 * times[int(0.99 * len(times))]),
        "wrong answers": wrong,
        "503": refused,
        "MB at first": round(settled[0]),
        "MB at last": round(settled[-1]),
        "MB at most": round(max(memory)),
        "wanted": "no wrong answer, memory flat (at last within 5 % of at first)",
    }


def _bare(encoder: Any, bodies: list[bytes]) -> float:
    encoder.encode_images([open_image(body) for body in bodies])
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < 10:
        encoder.encode_images([open_image(body) for body in bodies])
        count += len(bodies)
    return count / (time.perf_counter() - started)


async def _load(
    port: int, process: int, bodies: list[bytes], expected: list[tuple[str, float]], seconds: float
) -> tuple[list[float], int, int, list[float]]:
    times: list[float] = []
    memory: list[float] = []
    wrong = refused = 0
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal wrong, refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in itertools.count(number):
            if time.perf_counter() >= end:
                break
            started = time.perf_counter()
            status, answer = await _ask(reader, writer, bodies[i % len(bodies)])
            name, probability = expected[i % len(bodies)]
            if status == 503:
                refused += 1
                await asyncio.sleep(1)
                continue
            if answer.get("class_name") != name or abs(answer["probability"] - probability) > 1e-4:
                wrong += 1
            times.append(time.perf_counter() - started)
        writer.close()

    async def watch() -> None:
        while time.perf_counter() < end:
            status = Path(f"/proc/{process}/status").read_text()
            memory.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024)
            await asyncio.sleep(1)

    await asyncio.gather(watch(), *(client(number) for number in range(CLIENTS)))
    return times, wrong, refused, memory


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> tuple[int, dict[str, Any]]:
    """Send one request on an open connection: no client library, which would cost more than the encoder."""
    writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
    return int(head.split(b" ", 2)[1]), json.loads(await reader.readexactly(length))


if __name__ == "__main__":
    json.dump(run("--full" not in sys.argv), sys.stdout, indent=2)
