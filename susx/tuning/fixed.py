"""Protocol ``fixed``: published values, no data."""

from __future__ import annotations

import dataclasses
from typing import Any

from susx.tuning.result import Protocol, TuningResult

__all__ = ["SEARCHED", "chosen_values", "tune_fixed"]

SEARCHED: dict[str, tuple[str, ...]] = {
    "calip": ("visual", "textual"),
    "tip_adapter": ("alpha", "beta"),
    "tip_x": ("alpha", "beta", "gamma"),
    "zero_shot": (),
}
"""Hyper-parameters that tuning chooses, by method."""


def tune_fixed(method: Any, protocol: Protocol = "fixed", note: str = "") -> tuple[Any, TuningResult]:
    """Return the method as it is."""
    return method, TuningResult(method.name, protocol, chosen_values(method), note=note)


def chosen_values(method: Any) -> dict[str, float]:
    """Return the values of the hyper-parameters that tuning may choose.

    >>> from susx.methods import TipAdapter
    >>> chosen_values(TipAdapter())
    {'alpha': 1.0, 'beta': 5.5}
    """
    values = dataclasses.asdict(method)
    return {name: float(values[name]) for name in SEARCHED.get(method.name, ())}
