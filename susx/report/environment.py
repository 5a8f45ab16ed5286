"""Jinja2 for the pages of this package, and how numbers are written on them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

if TYPE_CHECKING:
    from susx.report.model import MethodRow

__all__ = ["environment", "toy_words"]

_TOY = (
    "Embedded toy models: these numbers show that the pipeline works, they say nothing about real CLIP models. "
    "They know procedural textures alone: for names of anything else the answers mean nothing. Their text tower names the textures "
    "nearly as well as pictures show them, so that a support set has little to add. For real weights: susx profiles list, then for "
    "instance susx build --profile clip-vit-b16."
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
