"""Exact hyper-parameter search of cache methods, and what any search returns."""

from susx.search.exact import search_cache
from susx.search.optimum import Optimum
from susx.search.search_grid import Grid

__all__ = ["Grid", "Optimum", "search_cache"]
