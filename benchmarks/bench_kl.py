"""Our divergences against the published batched loop, and how exact either is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from inputs import Inputs, features, synthetic
from published import BATCH, divergence_batch, lean_divergence_batch
from timing import best_of, side_by_side

from susx.methods.functional.kl import kl_divergence

GROWTH = [(1000, 1000, 200), (2000, 1000, 200), (1000, 2000, 200), (1000, 1000, 400)]


def errors(found: torch.Tensor, query: torch.Tensor, support: torch.Tensor) -> float:
    """Return the largest relative error against float64 among values from 1e-4 up, on the first rows."""
    exact = torch.stack([(p.exp() * (p - support)).sum(1) for p in query[: len(found)]])
    large = exact >= 1e-4
    return float(((found.double() - exact).abs() / exact)[large].max()) if bool(large.any()) else 0.0


def plain_product(query: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Return the float32 two-product form without centring, to show what centring saves."""
    p, log_q = query.exp().float(), support.float()
    return (p * query.float()).sum(1, keepdim=True) - p @ log_q.T


def against_published(name: str, repeats: int, batches: int) -> dict[str, Any]:
    """Time support-support, val-support and test-support together; the published loop on a slice, scaled."""
    data = features(name)
    support, val, test = (data.log_signature(rows) for rows in (data.support, data.query, data.test))

    def all_three() -> list[torch.Tensor]:
        return [kl_divergence(rows, support) for rows in (support, val, test)]

    query, keys = val.exp().float(), support.exp().float()

    def loop(batch: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
        return [batch(query[i * BATCH : (i + 1) * BATCH], keys) for i in range(batches)]

    (ours, processor, _), (slice_wall, slice_processor, found) = side_by_side(
        repeats, all_three, lambda: loop(divergence_batch)
    )
    lean_wall = best_of(3, lambda: loop(lean_divergence_batch))[0]
    rows = len(support) + len(val) + len(test)
    scale = rows / (batches * BATCH)
    return {
        "data": f"{name} ({data.source})",
        "rows x support x classes": f"{rows} x {len(support)} x {len(data.text)}",
        "published s": round(slice_wall * scale, 2),
        "slice": f"{batches} of {rows / BATCH:.1f} batches in {slice_wall:.2f} s",
        "ours s": round(ours, 4),
        "ratio": round(slice_wall * scale / ours),
        "ratio of processor time": round(slice_processor * scale / processor),
        "ratio to a leaner loop": round(lean_wall * scale / ours),
        "error ours": f"{errors(kl_divergence(val[:200], support), val, support):.1e}",
        "error published": f"{errors(found[0], val, support):.1e}",
        "error uncentred": f"{errors(plain_product(val[:200], support), val, support):.1e}",
    }


def growth(queries: int, support: int, classes: int) -> dict[str, Any]:
    """Time one synthetic product."""
    data: Inputs = synthetic(queries, 1, support, classes)
    query, keys = data.log_signature(data.query), data.log_signature(data.support)
    wall, processor, _ = best_of(5, lambda: kl_divergence(query, keys))
    size = {"queries": queries, "support": support, "classes": classes}
    return {**size, "seconds": round(wall, 5), "processor seconds": round(processor, 5)}


def run(quick: bool) -> dict[str, Any]:
    """Return the tables; ``quick`` takes fewer repeats and a thinner slice of the published loop."""
    repeats, batches = (6, 2) if quick else (15, 5)
    return {
        "threads": {"torch": torch.get_num_threads()},
        "tables": [
            {
                "title": "KL of support, val and test against support",
                "rows": [against_published(name, repeats, batches) for name in ("dtd", "sun397")],
            },
            {"title": "Growth of KL (synthetic)", "rows": [growth(*size) for size in GROWTH]},
        ],
    }
