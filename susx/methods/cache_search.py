"""The exact search of the methods with a cache of support images, in terms of their own pure functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from susx.methods.evidence import Evidence, ImageFeatures
from susx.methods.exhaustive import folds_of
from susx.methods.functional.image_weights import nominal_count
from susx.search.exact import search_cache
from susx.search.optimum import Optimum
from susx.search.search_grid import Grid

__all__ = ["pinned_nominal", "search_cache_method"]

_NO_TRUST = 1e-12
"""Keeps the values of a grid apart where nothing is trusted: the votes then count nothing, and the smallest wins."""


def pinned_nominal(method: Any, evidence: Evidence) -> Any:
    """Return the method with the nominal count of the whole support set, to be kept in every fold."""
    if method.weighting != "mean" or method.nominal is not None:
        return method
    labels = evidence.support(method.name)[1]
    return dataclasses.replace(method, nominal=nominal_count(labels, evidence.classes))


def search_cache_method(
    method: Any,
    evidence: Evidence,
    query: ImageFeatures,
    labels: Int64[Tensor, " query"],
    grid: Mapping[str, tuple[float, ...]],
    fold: Int64[Tensor, " support"] | None = None,
    divergence: Callable[[Any, Evidence, ImageFeatures], Tensor] | None = None,
) -> Optimum:
    """Return the exact optimum of a method with ``CacheRows`` and fields ``alpha``, ``beta``, ``weighting`` and ``nominal``.

    Args:
        method: its switches are kept.
        evidence, query, labels, grid, fold: as in ``Method.search``.
        divergence: for a method with ``gamma``, its class divergences of images by a part of the evidence, float64.
    """
    _, support_labels = evidence.support(method.name)
    method = pinned_nominal(method, evidence)
    terms = None
    if divergence is not None:
        terms = torch.zeros((len(query), evidence.classes), dtype=torch.float64)
        for part, rows in folds_of(evidence, fold, len(query)):
            terms[rows] = divergence(method, part, query.take(rows))
    # The votes of a fit count by the trust in the images, as the divergences do; the search is offered the same.
    alphas = max(method.trust(evidence), _NO_TRUST) * np.array(grid["alpha"])
    gammas = grid.get("gamma", (0.0,))
    counts = search_cache(
        float(evidence.logit_scale) * (query.pooled @ evidence.text_classifier.T),
        method.query_rows(query),
        method.support_rows(evidence),
        support_labels,
        labels,
        grid=Grid(alphas, np.array(grid["beta"]), np.array(gammas)),
        divergence=terms,
        nominal=method.nominal if method.weighting == "mean" else None,
        query_fold=fold,
        support_fold=fold,
    )
    names = [axis.name for axis in method.axes]
    by_point = counts.transpose(
        [("gamma", "alpha", "beta").index(name) for name in names] + ([] if "gamma" in names else [0])
    )
    return Optimum.of(
        by_point[..., 0] if "gamma" not in names else by_point, {n: grid[n] for n in names}, len(labels)
    )
