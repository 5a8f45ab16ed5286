"""Which images of a folder show one of the classes: two normals over the best logit, the outer one known beforehand.

Rows drawn from the normal distribution of a pool's own mean and covariance (*surrogates*, as in ``domain``) hold no
class. With m0, s0 the mean and deviation of their best logit, t_i that of an image, and pi, m1, s1 fitted to the folder
by expectation and maximisation (Dempster, Laird & Rubin 1977),

    w_i = P(inner | t_i) Phi((t_i - m0) / s0 - 1),    inner N(m1, s1) with share pi, outer N(m0, 1.5 s0) with 1 - pi

The second factor keeps a folder that holds none of the classes from taking its outsiders for a class of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from susx.methods.functional.arrays import Array, like, normal_cdf

__all__ = ["Surrogates", "insider_weights", "spread_over_features", "surrogate_rows"]

_SURROGATES = 4096
_OUTER_WIDTH = 1.5
_ROUNDS = 50
_RIDGE = 3.0


@dataclass(frozen=True)
class Surrogates:
    """Mean and deviation of the best logit of images that show none of the classes."""

    mean: float
    deviation: float


def surrogate_rows(
    mean: Float64[Array, " dim"], covariance: Float64[Array, "dim dim"], count: int = _SURROGATES
) -> Float[Array, "surrogates dim"]:
    """Return unit rows drawn from a normal distribution, the same ones every time.

    >>> surrogate_rows(torch.zeros(2).double(), torch.eye(2).double(), 3).shape
    torch.Size([3, 2])
    """
    import torch

    values, vectors = torch.linalg.eigh(covariance.double())
    spread = (vectors * values.clamp(min=0).sqrt()).T.float()
    normal = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(normal @ spread + mean.float())


def insider_weights(best: Float[Array, " query"], outer: Surrogates) -> Float[Array, " query"]:
    """Return w, in [0, 1], of the images of a folder.

    Args:
        best: t, the best logit of each image.
        outer: what images of no class have.

    >>> insider_weights(torch.tensor([30.0, 31.0, 29.0, 20.0]), Surrogates(20.0, 1.0)).round(decimals=2)
    tensor([1., 1., 1., 0.])
    """
    if not len(best):
        return best
    values = np.asarray(best, dtype=np.float64)
    width = max(outer.deviation, 1e-6)
    share, mean = 0.9, float(values.mean())
    deviation = max(float(values.std()), width / 2)
    inner = np.ones_like(values)
    for _ in range(_ROUNDS):
        log_odds = (
            math.log(share / (1 - share))
            + _log_normal(values, mean, deviation)
            - _log_normal(values, outer.mean, _OUTER_WIDTH * width)
        )
        inner = 0.5 * (1 + np.tanh(log_odds / 2))  # the sigmoid, without overflow
        mass = max(float(inner.sum()), 1e-6)
        share = min(max(mass / len(values), 0.01), 0.99)
        mean = float((inner * values).sum()) / mass
        deviation = max(math.sqrt(float((inner * np.square(values - mean)).sum()) / mass), width / 2)
    return like(inner * normal_cdf((values - outer.mean) / width - 1), best)


def spread_over_features(
    rows: Float[Array, "query dim"], weights: Float[Array, " query"]
) -> Float[Array, " query"]:
    """Return what the weights of all *other* images say of each: their ridge regression on the features, leave-one-out.

    Outsiders look like each other more than like the classes, so that one whose best logit is high by chance is known by
    its company. With X centred, H = X (X'X + lambda I)^-1 X' + 1/n and lambda = 3 trace(X'X) / dim, the prediction for i without i
    is (p_i - H_ii w_i) / (1 - H_ii) (Allen's PRESS, 1974), clipped to [0, 1].

    >>> x = torch.eye(4)[[0, 0, 0, 1, 1, 1]]
    >>> spread_over_features(x, torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 1.0]))[[2, 5]].round(decimals=2)
    tensor([0.8100, 0.1900])
    """
    if len(rows) < 2:
        return weights
    images, values = np.asarray(rows), np.asarray(weights)
    centred = images - images.mean(axis=0)
    gram = (centred.T @ centred).astype(np.float64)
    ridge = _RIDGE * float(np.trace(gram)) / len(gram)
    if not ridge > 0:
        return like(np.full(len(values), values.mean()), weights)
    mean = values.mean(dtype=np.float64)
    inverse = np.linalg.inv(gram + ridge * np.eye(len(gram)))
    slope = inverse @ (centred.T @ (values - mean.astype(values.dtype))).astype(np.float64)
    leverage = ((centred @ inverse.astype(images.dtype)) * centred).sum(axis=1) + 1 / len(images)
    predicted = mean.astype(images.dtype) + centred @ slope.astype(images.dtype)
    without = (predicted - leverage * values) / np.maximum(1 - leverage, 1e-3)
    return like(without.clip(0, 1), weights)


def _log_normal(values: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return -np.square((values - mean) / deviation) / 2 - math.log(deviation)
