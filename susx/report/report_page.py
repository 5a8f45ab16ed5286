"""From ``ReportData`` to one HTML page: Jinja2 over plain view values, everything inlined."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from susx.evaluation.calibration import FEWEST
from susx.images.support.credits import Credit, citations, credits_of
from susx.report.figures import figures
from susx.report.gallery import confusion_views, gallery
from susx.report.model import MethodRow, ReportData, StageRow

__all__ = ["environment", "render", "toy_words"]

_MOST_CREDITS = 5000
"""Lines of credits on the page; ``susx support credits`` lists all."""

_LEAST_SURE = 12
"""Classes listed under "Confidence without labels"."""

_TOY = (
    "Embedded toy models: these numbers show that the pipeline works, they say nothing about real CLIP models. "
    "They know procedural textures alone: for names of anything else the answers mean nothing. Their text tower names the textures "
    "nearly as well as pictures show them, so that a support set has little to add. For real weights: susx profiles list, then for "
    "instance susx build --profile clip-vit-b16."
)


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
            banner=(data.run.banner or _TOY) if data.run.toy else "",
            headline=data.headline_row(),
            zero_shot=data.zero_shot_row(),
            methods=_method_views(data.methods),
            axis=_axis(data.methods),
            gallery=gallery(data),
            credits=(credited := _credits(data)),
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


def environment() -> Environment:
    """Return Jinja2 for the pages of this package: everything escaped, nothing undefined, numbers as the pages write them."""
    made = Environment(
        loader=PackageLoader("susx.report", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "duration": _duration, "pct": _pct, "points": _points, "pvalue": _p_value, "when": _when,
        "words": _words, "sure": _sure, "capital": _capital,
    }  # fmt: skip
    return made


def toy_words() -> str:
    """Return what a page of a toy run says of itself."""
    return _TOY


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
    return credits[:_MOST_CREDITS] if any(one.author or one.licence for one in credits) else []


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


def _pct(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def _points(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{100 * value:+.{digits}f}".replace("-", "−")


def _sure(row: MethodRow) -> str:
    """Return the colour of a gain: that of its sign where its interval excludes 0, none where it may be chance."""
    if row.gain_low is None or row.gain_high is None:
        return ""
    return "up" if row.gain_low > 0 else "down" if row.gain_high < 0 else ""


def _p_value(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _words(rule: str) -> str:
    return rule.replace("_", " ")


def _when(iso: str) -> str:
    """Show an ISO time to the minute, anything else as it is."""
    try:
        time = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    zone = " UTC" if time.utcoffset() == timedelta(0) else time.strftime(" %z").rstrip()
    return time.strftime("%Y-%m-%d %H:%M") + zone
