"""One synthetic TIP-X search of the published grid; prints seconds and peak memory as JSON.

python benchmarks/one_search.py QUERIES SUPPORT CLASSES [DIM]
"""

from __future__ import annotations

import json
import sys
import time

import numba
import torch
from inputs import synthetic
from timing import peak_mib

from susx.search import Grid, search_tip_x


def main() -> None:
    """Search once after a small search that loads the compiled kernel."""
    queries, support, classes = (int(value) for value in sys.argv[1:4])
    dim = int(sys.argv[4]) if len(sys.argv) > 4 else 512
    small = synthetic(20, 1, 20, 5).search_arguments()
    search_tip_x(**small, grid=Grid.tip_x())
    data = synthetic(queries, 1, support, classes, dim)
    arguments = {
        "zero_shot_logits": 100 * data.query @ data.text.T,
        "query": data.query,
        "support": data.support,
        "query_log_signature": data.log_signature(data.query).float(),
        "support_log_signature": data.log_signature(data.support).float(),
        "support_labels": data.support_labels,
        "labels": data.labels,
    }
    inputs_mib = peak_mib()
    start, start_processor = time.perf_counter(), time.process_time()
    best = search_tip_x(**arguments, psi=(50.0, 0.2), grid=Grid.tip_x())
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
