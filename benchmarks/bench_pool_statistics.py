"""Statistics of a pool from memory-mapped rows of half precision, one thread: time is linear in rows, memory is flat.

Rows are random in 512 dimensions, prompts of 100 classes; baseline: one matrix product of the same rows with the prompts.
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from susx.features.gather_pool import gather_pool_statistics

DIM, CLASSES, BLOCK = 512, 100, 50_000


def run(quick: bool) -> dict:
    """Measure quarters of the pool: 200,000 rows, in full 2,000,000 (2 GB of disk)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    text = torch.nn.functional.normalize(torch.randn(CLASSES, DIM) + 0.5, dim=1)
    table = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            pool = _written(Path(folder) / "features.npy", 200_000 if quick else 2_000_000)
            for count in (len(pool) // 4, len(pool) // 2, len(pool)):
                start = time.perf_counter()
                gather_pool_statistics(text, 100.0, [pool[:count]], "random")
                seconds = time.perf_counter() - start
                held = _own_megabytes()
                start = time.perf_counter()
                for at in range(0, count, BLOCK):
                    torch.from_numpy(pool[at : at + BLOCK].astype(np.float32)) @ text.T
                bare = time.perf_counter() - start
                row = {
                    "rows": count,
                    "seconds": round(seconds, 1),
                    "against the product": f"{seconds / bare:.1f} x",
                }
                table.append(row | {"memory of its own, MB": held})
    finally:
        torch.set_num_threads(threads)
    return {"threads": 1, "tables": [{"title": "pool statistics", "rows": table}]}


def _written(path: Path, rows: int) -> np.ndarray:
    made = np.lib.format.open_memmap(path, "w+", np.float16, (rows, DIM))
    generator = np.random.default_rng(0)
    for start in range(0, rows, BLOCK):
        block = generator.standard_normal((min(BLOCK, rows - start), DIM), dtype=np.float32) + 0.5
        made[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    made.flush()
    return np.load(path, mmap_mode="r")


def _own_megabytes() -> int | None:
    """Return the memory that is no file's; None where the system does not tell."""
    try:
        found = re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(found[1]) // 1024 if found else None
