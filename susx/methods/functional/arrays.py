"""What numpy and torch call differently, under one name, so that a formula stands once and runs where there is no torch.

Nothing here imports torch: an array of it brings it along. In place of ``dim`` and ``keepdim`` both know ``axis`` and ``keepdims``.
"""

from __future__ import annotations

import math
import sys
from typing import Any, TypeAlias

import numpy as np

__all__ = [
    "Array",
    "double",
    "inverse_root",
    "lengths",
    "library",
    "like",
    "logarithm",
    "logsumexp",
    "normal_cdf",
    "single",
    "softmax",
    "unit_rows",
]

Array: TypeAlias = Any
"""An array of numpy, or a tensor of torch; shape and type of its numbers are checked all the same."""

_LEAST_LENGTH = 1e-12


def library(array: Array) -> Any:
    """Return the module that an array belongs to, numpy or torch."""
    return np if isinstance(array, np.ndarray | np.generic) else sys.modules["torch"]


def double(array: Array) -> Array:
    """Return it in float64."""
    return array.astype(np.float64) if library(array) is np else array.double()


def single(array: Array) -> Array:
    """Return it in float32; the array itself where it is that."""
    return array.astype(np.float32, copy=False) if library(array) is np else array.float()


def like(values: np.ndarray, other: Array) -> Array:
    """Return numbers of numpy as an array of the library and the type of another."""
    if library(other) is np:
        return values.astype(other.dtype, copy=False)
    return sys.modules["torch"].from_numpy(np.ascontiguousarray(values)).to(other.dtype)


def lengths(rows: Array) -> Array:
    """Return the Euclidean length of each row, as a column."""
    if library(rows) is np:
        return np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.norm(dim=1, keepdim=True)


def unit_rows(rows: Array) -> Array:
    """Return rows of length 1; a row of zeros stays.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    return rows / lengths(rows).clip(min=_LEAST_LENGTH)


def softmax(rows: Array) -> Array:
    """Return the softmax of each row, in an array of its own.

    >>> softmax(np.array([[0.0, 0.0, -np.inf]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    if library(rows) is not np:
        return rows.softmax(dim=1)
    shares = rows - rows.max(axis=1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def logsumexp(rows: Array) -> Array:
    """Return log sum exp of each row, as a column.

    >>> logsumexp(np.array([[0.0, 0.0]])).round(4).tolist()
    [[0.6931]]
    """
    if library(rows) is not np:
        return rows.logsumexp(dim=1, keepdim=True)
    largest = rows.max(axis=1, keepdims=True)
    return np.log(np.exp(rows - largest).sum(axis=1, keepdims=True)) + largest


def logarithm(values: Array) -> Array:
    """Return the natural logarithm, written over the values."""
    return np.log(values, out=values) if library(values) is np else values.log_()


def inverse_root(values: Array, least: float) -> Array:
    """Return 1 / sqrt(max(value, least)), written over the values."""
    if library(values) is not np:
        return values.clamp_(min=least).rsqrt_()
    np.maximum(values, values.dtype.type(least), out=values)
    np.sqrt(values, out=values)
    return np.reciprocal(values, out=values)


def normal_cdf(values: np.ndarray) -> np.ndarray:
    """Return the distribution function of the standard normal.

    >>> normal_cdf(np.array([-40.0, 0.0, 40.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in values.tolist()], dtype=np.float64)
