"""Readers of feature files that other projects write."""

from susx.features.importers.sus_x import read_sus_x
from susx.features.importers.tip_adapter import read_tip_adapter

__all__ = ["read_sus_x", "read_tip_adapter"]
