"""Gaussian discriminant analysis with one covariance for all classes, as a linear classifier.

Wang et al., A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation (ICLR 2024), eq. 3 to 6: with class means
mu_c and the inverse of the shared covariance, shrunk by the estimator of Kubokawa and Srivastava (2008),

    S = sum_i (x_i - mu_{y_i}) (x_i - mu_{y_i})^T,    P = D (S + (trace S / (N - 1)) I)^-1
    w_c = P mu_c,    b_c = -mu_c^T P mu_c / 2

the class priors being equal. N rows of D numbers.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

__all__ = ["gaussian_classifier", "shrunk_precision"]


def shrunk_precision(scatter: Float64[Tensor, "dim dim"], rows: int) -> Float64[Tensor, "dim dim"]:
    """Return P of a scatter matrix of ``rows`` rows; zeros where nothing varies (one image a class).

    >>> shrunk_precision(torch.eye(2).double(), 3).diagonal().tolist()
    [1.0, 1.0]
    """
    dim = len(scatter)
    trace = float(scatter.trace())
    if rows < 2 or not trace > 0:
        return torch.zeros_like(scatter)
    shrunk = scatter + trace / (rows - 1) * torch.eye(dim, dtype=scatter.dtype, device=scatter.device)
    inverse: Tensor = torch.linalg.inv(shrunk)
    return dim * (inverse + inverse.T) / 2


def gaussian_classifier(
    rows: Float[Tensor, "support dim"], labels: Int64[Tensor, " support"], classes: int
) -> tuple[Float[Tensor, "classes dim"], Float[Tensor, " classes"]]:
    """Return w and b of ``rows @ w.T + b``; a class without rows gets the mean of the others, which speaks neither for nor against it.

    Args:
        rows: unit rows.
        labels: their classes.
        classes: number of classes.
    """
    counts = torch.bincount(labels, minlength=classes)
    sums = rows.new_zeros(classes, rows.shape[1]).index_add_(0, labels, rows)
    means = sums / counts.clamp(min=1)[:, None]
    centred = rows - means[labels]
    precision = shrunk_precision((centred.T @ centred).double(), len(rows))
    weight = means.double() @ precision
    bias = -(weight * means).sum(dim=1) / 2
    absent = counts == 0
    if bool(absent.any()):
        weight[absent], bias[absent] = weight[~absent].mean(dim=0), bias[~absent].mean()
    return weight.to(rows.dtype), bias.to(rows.dtype)
