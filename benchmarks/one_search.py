"""One synthetic TIP-X search of the published grid; prints seconds and peak memory as JSON.

python benchmarks/one_search.py QUERIES SUPPORT CLASSES [DIM]
"""

from __future__ import annotations

import json
import sys
import time

import numba
import torch
from inputs import published_grid, synthetic
from timing import peak_mib


def main() -> None:
    """Search once after a small search that loads the compiled kernel."""
    queries, support, classes = (int(value) for value in sys.argv[1:4])
    dim = int(sys.argv[4]) if len(sys.argv) > 4 else 512
    grid = published_grid()
    synthetic(20, 1, 20, 5).search(grid)
    data = synthetic(queries, 1, support, classes, dim)
    inputs_mib = peak_mib()
    start, start_processor = time.perf_counter(), time.process_time()
    best = data.search(grid)
    report = {
        "queries": queries,
        "support": support,
        "classes": classes,
        "seconds": round(time.perf_counter() - start, 3),
        "processor seconds": round(time.process_time() - start_processor, 3),
        "peak MiB": round(peak_mib()),
        "peak MiB before": round(inputs_mib),
        "threads": numba.get_num_threads(),
        "torch threads": torch.get_num_threads(),
        "accuracy": best.accuracy,
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
