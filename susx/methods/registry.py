"""Every method by the name of its paper."""

from __future__ import annotations

from typing import Any

from susx.methods.calip import Calip
from susx.methods.tip_adapter import TipAdapter
from susx.methods.tip_x import TipX
from susx.methods.zero_shot import ZeroShot

__all__ = ["METHODS"]

METHODS: dict[str, type[Any]] = {
    "calip": Calip,
    "tip_adapter": TipAdapter,
    "tip_x": TipX,
    "zero_shot": ZeroShot,
}
"""Constructors by name; called with hyper-parameters, or with none for the fixed published ones."""
