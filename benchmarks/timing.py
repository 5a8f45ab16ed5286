"""Best-of-several timing, and peak memory in a process of its own."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")
Other = TypeVar("Other")


def best_of(repeats: int, work: Callable[[], Result]) -> tuple[float, float, Result]:
    """Return the least wall seconds, the least processor seconds (all threads) and the last result."""
    wall = processor = float("inf")
    for _ in range(repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        result = work()
        wall = min(wall, time.perf_counter() - start)
        processor = min(processor, time.process_time() - start_processor)
    return wall, processor, result


def side_by_side(
    rounds: int, ours: Callable[[], Result], published: Callable[[], Other]
) -> tuple[tuple[float, float, Result], tuple[float, float, Other]]:
    """Return ``best_of`` for either, after one warm-up, taking turns so that a busy moment hits both."""
    ours()
    published()
    mine = best_of(1, ours)
    theirs = best_of(1, published)
    for _ in range(rounds - 1):
        again, other = best_of(3, ours), best_of(1, published)
        mine = (min(mine[0], again[0]), min(mine[1], again[1]), again[2])
        theirs = (min(theirs[0], other[0]), min(theirs[1], other[1]), other[2])
    return mine, theirs


def peak_mib() -> float:
    """Return the most memory this program has held, in MiB.

    ``ru_maxrss`` would also count what the process was before it became this program: that of whoever started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_new_process(script: str, *arguments: str) -> dict[str, Any]:
    """Run ``benchmarks/<script>`` and return the JSON object it prints last."""
    path = Path(__file__).with_name(script)
    done = subprocess.run(
        [sys.executable, str(path), *arguments],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    return json.loads(done.stdout.strip().splitlines()[-1])
