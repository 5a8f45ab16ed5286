"""Protocol ``val``: the best point on the target's labelled validation split, which is what the papers
report.

It is not name-only: it needs labelled images of the target. Report it beside ``fixed`` or ``support``, never
as theirs.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from susx.errors import InputError
from susx.methods import Calip, Evidence, ImageFeatures
from susx.search import Grid
from susx.tuning.fixed import chosen_values
from susx.tuning.grids import CALIP_TEXTUAL, CALIP_VISUAL, published_grid
from susx.tuning.points import search_cache, search_calip
from susx.tuning.result import TuningResult

__all__ = ["tune_val"]


def tune_val(
    method: Any, evidence: Evidence, *, dataset: str | None = None, grid: Grid | None = None
) -> tuple[Any, TuningResult]:
    """Return the method with the hyper-parameters that classify most validation rows correctly.

    Raises:
        InputError: the evidence holds no validation rows.
    """
    features, labels = evidence.validation_features, evidence.validation_labels
    if not evidence.has_validation or features is None or labels is None:
        raise InputError(
            f"{method.name}: tuning 'val' needs labelled validation images of the target and there are none. "
            "Give a validation split, or tune 'fixed' or 'support'."
        )
    if isinstance(method, Calip):
        query = ImageFeatures(features, evidence.validation_patches)
        chosen, correct = search_calip(method, evidence, query, labels)
        points = len(CALIP_VISUAL[::10]) * len(CALIP_TEXTUAL[::10])
        return chosen, TuningResult(method.name, "val", chosen_values(chosen), correct, len(labels), points)
    chosen_grid = grid or published_grid(method, dataset)
    best = search_cache(method, evidence, features, labels, chosen_grid)
    values = {"alpha": best.alpha, "beta": best.beta} | (
        {"gamma": best.gamma} if method.name == "tip_x" else {}
    )
    chosen = dataclasses.replace(method, **values)
    return chosen, TuningResult(method.name, "val", values, best.correct, best.total, best.counts.size)
