"""Kernel ridge regression of what the class prompts get wrong on the support images.

Bendou et al., ProKeR (CVPR 2025): in the space of the Gaussian kernel k(x, y) = exp(-beta (1 - x.y)) of unit rows, the
classifier nearest to the prompts z that fits the labels Y of the support images S is

    z(x) + k(x, S) (K + lam I)^-1 (Y - z(S))
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["kernel", "ridge_coefficients"]

_EXACT = 4096
"""Up to so many support images the system is solved in float64; beyond, in float32, which is a few times as fast."""


def kernel(
    rows: Float[Tensor, "rows dim"], support: Float[Tensor, "support dim"], beta: float
) -> Float[Tensor, "rows support"]:
    """Return k of every pair of unit rows, 1 on equal rows.

    >>> kernel(torch.eye(2), torch.eye(2), 1.0)[0].tolist()
    [1.0, 0.367879...]
    """
    return (rows @ support.T).sub_(1.0).mul_(beta).exp_()


def ridge_coefficients(
    rows: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    text: Float[Tensor, "classes dim"],
    beta: float,
    lam: float,
) -> Float[Tensor, "support classes"]:
    """Return (K + lam I)^-1 (Y - z(S)) with z the cosines with the class prompts, as the released code has them.

    Args:
        rows: unit rows of the support images.
        labels: their classes.
        text: unit rows of the class prompts.
        beta: sharpness of the kernel.
        lam: penalty, above 0.
    """
    exact = rows.double() if len(rows) <= _EXACT else rows
    system = kernel(exact, exact, beta)
    system.diagonal().add_(lam)
    missing = -(exact @ text.to(exact.dtype).T)
    missing[torch.arange(len(labels), device=labels.device), labels] += 1.0
    factor: Tensor = torch.linalg.cholesky(system)
    return torch.cholesky_solve(missing, factor).to(rows.dtype)
