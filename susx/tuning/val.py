"""Protocol ``val``: the best point on the target's labelled validation split, which is what the papers
report.

It is not name-only: it needs labelled images of the target. Report it beside ``fixed`` or ``support``, never
as theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from susx.errors import InputError
from susx.methods.base import Method, Run
from susx.tuning.tuning_result import TuningResult

if TYPE_CHECKING:
    from susx.methods.evidence import Evidence

__all__ = ["tune_val"]


def tune_val(
    method: Method[Any], evidence: Evidence, grid: Mapping[str, tuple[float, ...]], run: Run = Run()
) -> tuple[Method[Any], TuningResult]:
    """Return the method with the hyper-parameters that classify most validation rows correctly.

    Raises:
        InputError: the evidence holds no validation rows.
    """
    from susx.methods.evidence import ImageFeatures

    features, labels = evidence.validation_features, evidence.validation_labels
    if not evidence.has_validation or features is None or labels is None:
        raise InputError(
            f"{method.name}: tuning 'val' needs labelled validation images of the target and there are none. "
            "Give a validation split, or tune 'fixed' or 'support'."
        )
    query = ImageFeatures(features, evidence.validation_patches, evidence.validation_adapted)
    best = method.search(evidence, query, labels, grid, run=run)
    chosen: Method[Any] = method.with_values(best.values)
    return chosen, TuningResult.of(chosen, "val", best)
