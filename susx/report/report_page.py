"""From ``ReportData`` to one HTML page: Jinja2 over plain view values, everything inlined."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from susx.evaluation.calibration import FEWEST
from susx.images.support.credits import Credit, citations, credits_of, owed
from susx.report.environment import environment, toy_words
from susx.report.figures import figures
from susx.report.gallery import confusion_views, gallery
from susx.report.model import MethodRow, ReportData, StageRow

__all__ = ["render"]

_MOST_CREDITS = 5000
"""Lines of credits on the page; ``susx support credits`` lists all."""

_LEAST_SURE = 12
"""Classes listed under "Confidence without labels"."""


def render(data: ReportData) -> str:
    """Return the whole page. ``data.counts`` and ``data.published`` are expected to be filled."""
    drawn = figures(data)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            fewest=FEWEST,
            run=data.run,
            banner=(data.run.banner or toy_words()) if data.run.toy else "",
            headline=data.headline_row(),
            zero_shot=data.zero_shot_row(),
            methods=_method_views(data.methods),
            axis=_axis(data.methods),
            gallery=gallery(data),
            credits=(credited := _credits(data))[:_MOST_CREDITS],
            credited=len(credited),
            citations=citations(credited),
            confidence=_confidence_view(data),
            confusions=confusion_views(data.confusions),
            stages=_stage_views(data.stages),
            figures=drawn,
            unchanged=bool(data.changes) and all(change.after == change.before for change in data.changes),
            plotly=_packed_plotly() if drawn else "",
            specs={figure.key: json.loads(figure.spec) for figure in drawn},
        )
    )


@cache
def _packed_plotly() -> str:
    """Return plotly.js, gzipped in base64: 2 MB instead of 4.8, unpacked by the browser when a figure comes into view."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()


def _axis(rows: Sequence[MethodRow]) -> tuple[float, float]:
    """Return the ends of the interval strip: all intervals and some air, on whole per cents."""
    ends = [v for r in rows for v in (r.low, r.high, r.top1) if v is not None]
    if not ends:
        return 0.0, 1.0
    air = max(0.1 * (max(ends) - min(ends)), 0.005)
    return max(min(ends) - air, 0.0), min(max(ends) + air, 1.0)


def _method_views(rows: Sequence[MethodRow]) -> list[dict[str, Any]]:
    low, high = _axis(rows)

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * (value - low) / (high - low or 1.0), 2)

    return [
        {
            "row": row,
            "mark": place(row.top1),
            "left": place(row.low),
            "right": place(row.high),
            "hyper": ", ".join(f"{k} {_short(v)}" for k, v in row.hyper_parameters.items()),
        }
        for row in rows
    ]


def _credits(data: ReportData) -> list[Credit]:
    """Return whose the kept images are, where a source names any."""
    credits = credits_of(image.row for image in data.support)
    return credits if owed(credits) else []


def _confidence_view(data: ReportData) -> dict[str, Any] | None:
    """Return the means over the classes and those with the least, the least first."""
    if not data.confidence:
        return None
    lowest = sorted(data.confidence, key=lambda c: c.confidence)[:_LEAST_SURE]
    mean = sum(c.confidence for c in data.confidence) / len(data.confidence)
    trusts = [c.trust for c in data.confidence if c.trust is not None]
    trust = sum(trusts) / len(trusts) if trusts else None
    return {"mean": mean, "trust": trust, "lowest": lowest, "others": len(data.confidence) - len(lowest)}


def _stage_views(stages: Sequence[StageRow]) -> list[dict[str, Any]]:
    end = max((s.start + s.seconds for s in stages), default=0.0) or 1.0
    return [
        {
            "row": s,
            "left": round(100 * s.start / end, 3),
            "width": max(round(100 * s.seconds / end, 3), 0.3),
            "state": "cached" if not s.computed else "mixed" if s.cached else "computed",
        }
        for s in stages
    ]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
