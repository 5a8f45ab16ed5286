"""Exact hyper-parameter search of cache methods, and what any search returns."""

from susx.search.exact import search_cache
from susx.search.grid import Grid
from susx.search.optimum import Optimum

__all__ = ["Grid", "Optimum", "search_cache"]
