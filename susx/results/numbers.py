"""The numbers of a table's entries as text: per cent, without the sign of it."""

from __future__ import annotations

from susx.results.entries import Entry

__all__ = ["gain_text", "interval_text", "value_text"]


def value_text(value: float, what: str, digits: int) -> str:
    """Return a share in per cent; seconds as they are."""
    return f"{value:.{digits}f}" if what == "seconds" else f"{100 * value:.{digits}f}"


def interval_text(
    value: float, low: float | None, high: float | None, shape: str, digits: int, sign: str = ""
) -> str:
    """Return an interval as it follows its value: half of its width, both ends, or nothing.

    >>> interval_text(0.5, 0.48, 0.53, "pm", 1), interval_text(0.5, 0.48, 0.53, "range", 1)
    (' ± 2.5', ' [48.0, 53.0]')
    """
    if low is None or high is None or shape == "none":
        return ""
    if shape == "pm":
        return f" ± {100 * (high - low) / 2:.{digits}f}"
    return f" [{100 * low:{sign}.{digits}f}, {100 * high:{sign}.{digits}f}]"


def gain_text(entry: Entry, shape: str, digits: int) -> str:
    """Return a paired gain in points with its interval."""
    gain = entry.gain or 0.0
    shown = round(100 * gain, digits) + 0.0  # no minus before a zero
    return f"{shown:+.{digits}f}" + interval_text(gain, entry.gain_low, entry.gain_high, shape, digits, "+")
