"""A tenth of the bed: what support images gain or cost on small problems made of real features, and how long a cell takes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import bed


def run(quick: bool) -> dict[str, Any]:
    """Measure every tenth cell of the half that chose, or all of them; nothing where there are no real features."""
    real = os.environ.get("SUSX_REAL_DATA", "")
    if not real:
        return {"skipped": "SUSX_REAL_DATA names no folder of real features"}
    started = time.perf_counter()
    results = bed.measured(Path(real), untouched=False, every=10 if quick else 1, processes=2)
    seconds = time.perf_counter() - started
    rows = [dict(zip(["method", *bed.HEAD[1:]], row, strict=True)) for row in bed.summary_rows(results)]
    return {
        "threads": 1,
        "cells": len(results),
        "seconds": round(seconds, 1),
        "tables": [
            {"title": f"The bed: {len(results)} cells in {seconds:.0f} s, two processes", "rows": rows}
        ],
    }
