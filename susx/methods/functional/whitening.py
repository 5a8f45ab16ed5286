"""Whitening by the covariance that images have apart from their class.

With m the mean of the support images, Sigma_w their covariance within classes, Sigma_p the covariance of the pool,

    Sigma = (Sigma_w + Sigma_p) / 2,    S = Sigma + r (trace Sigma / dim) I,    x~ = normalise((x - m) S^-1/2)

the metric of linear discriminant analysis (Fisher 1936) with the shrinkage of Ledoit & Wolf (2004) at a fixed r. The
pool stands in for what a few chosen images of a class no longer show: they are more alike than the class is.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Float64, Int64

from susx.methods.functional.arrays import Array, double, library, unit_rows

__all__ = ["Whitening", "covariance", "whitening", "within_class_covariance"]


@dataclass(frozen=True)
class Whitening:
    """x -> normalise((x - mean) matrix); the matrix is symmetric."""

    mean: Float[Array, " dim"]
    matrix: Float[Array, "dim dim"]

    def __call__(self, rows: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
        """Return whitened unit rows; a row equal to the mean becomes zero."""
        return unit_rows((rows - self.mean) @ self.matrix)


def covariance(rows: Float[Array, "rows dim"]) -> Float64[Array, "dim dim"]:
    """Return the covariance (divided by the number of rows) in float64.

    >>> covariance(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    values = double(rows)
    centred = values - values.mean(axis=0)
    return centred.T @ centred / len(rows)


def within_class_covariance(
    rows: Float[Array, "support dim"], labels: Int64[Array, " support"]
) -> Float64[Array, "dim dim"]:
    """Return the covariance of the rows around the means of their classes, in float64.

    >>> within_class_covariance(torch.tensor([[1.0, 2.0], [1.0, 0.0], [9.0, 9.0]]), torch.tensor([0, 0, 1])).diag().sum()
    tensor(0.6667, dtype=torch.float64)
    """
    import torch

    values = rows.double()
    counts = torch.bincount(labels)
    sums = values.new_zeros(len(counts), values.shape[1]).index_add_(0, labels, values)
    centred = values - (sums / counts.clamp(min=1)[:, None])[labels]
    return centred.T @ centred / len(values)


def whitening(
    mean: Float[Array, " dim"], covariance: Float64[Array, "dim dim"], shrinkage: float
) -> Whitening:
    """Return the whitening by a covariance with ``shrinkage`` times its mean variance added to the diagonal.

    A covariance of no variance at all (one image) gives plain centring.

    Args:
        mean: subtracted first.
        covariance: symmetric, of any rank.
        shrinkage: r, above 0.

    >>> w = whitening(torch.zeros(2), torch.diag(torch.tensor([4.0, 0.0])).double(), 1.0)
    >>> w.matrix.diagonal().round(decimals=4).tolist()
    [0.4082, 0.7071]
    """
    dim, of = len(covariance), library(covariance)
    variance = float(covariance.trace()) / dim
    if not variance > 0:
        return Whitening(double(mean), of.eye(dim, dtype=of.float64))
    values, vectors = of.linalg.eigh((covariance + covariance.T) / 2)
    scale = 1 / of.sqrt(values.clip(min=0) + shrinkage * variance)
    return Whitening(double(mean), (vectors * scale) @ vectors.T)
