"""Exact hyper-parameter search over the support set's affinities and divergences."""

from susx.search.exact import search_tip_adapter, search_tip_x
from susx.search.grid import Grid
from susx.search.optimum import Optimum

__all__ = ["Grid", "Optimum", "search_tip_adapter", "search_tip_x"]
