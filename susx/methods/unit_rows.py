"""Feature rows and labels as they come in: brought to float32 unit rows, or refused by name."""

from __future__ import annotations

import logging

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.errors import InputError

__all__ = ["checked_labels", "checked_unit_rows"]

_log = logging.getLogger(__name__)

# Rows that went through float16 are off by up to about 1e-3, bfloat16 by 4e-3; more is another scale.
_NORM_TOLERANCE = 1e-2


def checked_unit_rows(features: Float[Tensor, "*rows dim"], what: str) -> Float[Tensor, "*rows dim"]:
    """Return float32 rows of unit norm.

    Rows that are not of unit norm are normalised with a warning. Rounding left by half precision is removed
    silently.

    Raises:
        InputError: a NaN, infinite or zero row; names the first one.
    """
    if features.ndim < 2 or not features.is_floating_point():
        raise InputError(
            f"{what}: expected rows of real numbers, found shape {tuple(features.shape)} of {features.dtype}."
        )
    rows = features.detach().float()
    norms = rows.norm(dim=-1, keepdim=True)
    bad = ~torch.isfinite(norms) | (norms == 0)
    if bad.any():
        where = bad.flatten().nonzero().flatten()
        raise InputError(
            f"{what}: {len(where)} of {bad.numel()} rows are NaN, infinite or zero (first: row {int(where[0])}). "
            "Encode those images again or leave them out."
        )
    off = (norms - 1).abs().amax() if norms.numel() else torch.zeros(())
    if off > _NORM_TOLERANCE:
        _log.warning("%s: rows are not of unit norm (off by up to %.2g); normalised.", what, float(off))
    # Rows that are unit already stay bit for bit as they are.
    return rows / norms if off > 1e-6 else rows


def checked_labels(labels: Int64[Tensor, " rows"], classes: int, what: str) -> Int64[Tensor, " rows"]:
    """Return the labels as int64.

    Raises:
        InputError: not a vector of integers, or a label outside 0 .. classes - 1.
    """
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise InputError(
            f"{what}: expected one integer per row, found shape {tuple(labels.shape)} of {labels.dtype}."
        )
    wrong = ((labels < 0) | (labels >= classes)).nonzero().flatten()
    if len(wrong):
        first = int(wrong[0])
        raise InputError(
            f"{what}: {len(wrong)} labels are outside the class list (0 to {classes - 1}); row {first} says "
            f"{int(labels[first])}. Check that the class list is the one the labels were made with."
        )
    return labels.long()
