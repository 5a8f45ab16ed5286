"""A build's summary as the flat numbers that trackers of experiments keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["metrics_of"]


def metrics_of(summary: Mapping[str, Any]) -> dict[str, float]:
    """Return ``<method>/<tuning>/top1`` with ``low``, ``high`` (95 % interval, shares of 1) and ``n``, and ``seconds/<stage>``."""
    metrics: dict[str, float] = {}
    for row in summary["methods"]:
        label = "/".join(part for part in (row["method"], row.get("tuning")) if part)
        for name in ("top1", "low", "high", "n"):
            if isinstance(row.get(name), (int, float)):
                metrics[f"{label}/{name}"] = float(row[name])
    for stage in summary["stages"]:
        metrics[f"seconds/{stage['stage']}"] = float(stage["seconds"])
    return metrics
