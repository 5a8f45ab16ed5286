"""The inputs of a search, checked once, and the few sums every block of rows needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from susx.errors import InputError, NoSupportError

__all__ = ["Problem"]


@dataclass(frozen=True, eq=False)
class Problem:
    """Checked inputs as arrays, in float32 or the float64 they came in; blocks are widened when used.

    Arrays, because between two runs of the kernel torch's threads would spin on the cores the kernel needs.
    """

    zero_shot: Float[np.ndarray, "query classes"]
    query: Float[np.ndarray, "query dim"]
    support: Float[np.ndarray, "support dim"]
    support_labels: Int[np.ndarray, " support"]
    labels: Int[np.ndarray, " query"]
    nominal: float | None
    query_fold: Int[np.ndarray, " query"] | None
    support_fold: Int[np.ndarray, " support"] | None
    divergence: Float[np.ndarray, "query classes"] | None

    @classmethod
    def of(
        cls,
        zero_shot: Float[Tensor, "query classes"],
        query: Float[Tensor, "query dim"],
        support: Float[Tensor, "support dim"],
        support_labels: Int[Tensor, " support"],
        labels: Int[Tensor, " query"],
        nominal: float | None,
        query_fold: Int[Tensor, " query"] | None,
        support_fold: Int[Tensor, " support"] | None,
        divergence: Float[Tensor, "query classes"] | None = None,
    ) -> Problem:
        """Return the problem, or raise InputError or NoSupportError naming what does not fit."""
        rows, classes = zero_shot.shape
        if not rows or not classes:
            raise InputError(
                f"A search needs at least one query row and one class, got {rows} rows, {classes} classes."
            )
        if not len(support):
            raise NoSupportError(
                "A search needs support images, got none; use zero-shot, which has nothing to tune."
            )
        if (query_fold is None) != (support_fold is None):
            raise InputError("Give both query_fold and support_fold, or neither.")
        if nominal is not None and not nominal > 0:
            raise InputError(f"nominal is a number of support rows per class above 0, got {nominal}.")
        _check_shape("query", query, (rows, support.shape[1]))
        _check_labels("labels", labels, rows, classes)
        _check_labels("support_labels", support_labels, len(support), classes)
        for name, fold, length in (
            ("query_fold", query_fold, rows),
            ("support_fold", support_fold, len(support)),
        ):
            if fold is not None:
                _check_shape(name, fold, (length,))
        arrays = {"zero_shot_logits": zero_shot, "query": query, "support": support}
        if divergence is not None:
            _check_shape("divergence", divergence, (rows, classes))
            arrays["divergence"] = divergence
        checked = {name: _finite(name, values) for name, values in arrays.items()}
        return cls(
            zero_shot=checked["zero_shot_logits"],
            query=checked["query"],
            support=checked["support"],
            support_labels=_ids(support_labels),
            labels=_ids(labels),
            nominal=nominal,
            query_fold=None if query_fold is None else _ids(query_fold),
            support_fold=None if support_fold is None else _ids(support_fold),
            divergence=checked.get("divergence"),
        )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.zero_shot.shape[1])

    def parts(self) -> Iterator[tuple[Int[np.ndarray, " part"], Int[np.ndarray, " kept"]]]:
        """Yield the query rows of each fold with the support rows they may see."""
        if self.query_fold is None or self.support_fold is None:
            yield np.arange(len(self.labels)), np.arange(len(self.support))
            return
        for fold in np.unique(self.query_fold):
            kept = np.flatnonzero(self.support_fold != fold)
            if not len(kept):
                raise NoSupportError(f"Fold {fold} holds every support row; use more folds or no folds.")
            yield np.flatnonzero(self.query_fold == fold), kept

    def class_weights(self, counts: Int[np.ndarray, " classes"]) -> Float[np.ndarray, " classes"]:
        """Return the factor of each class's sum: 1, or nominal / count (0 where a class has no support)."""
        if self.nominal is None:
            return np.ones(len(counts))
        return np.where(counts > 0, self.nominal / np.maximum(counts, 1), 0.0)


def _ids(values: Tensor) -> Int[np.ndarray, " rows"]:
    return values.detach().cpu().numpy().astype(np.int64)


def _check_shape(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(values.shape) != shape:
        raise InputError(
            f"{name} must have shape {shape} to fit the other inputs, got {tuple(values.shape)}."
        )


def _check_labels(name: str, labels: Tensor, length: int, classes: int) -> None:
    _check_shape(name, labels, (length,))
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise InputError(
            f"{name} must be class ids from 0 to {classes - 1}, found {int(wrong[0])} ({len(wrong)} such)."
        )


def _finite(name: str, values: Tensor) -> Float[np.ndarray, "rows columns"]:
    wide = values.detach().cpu().to(torch.promote_types(values.dtype, torch.float32)).numpy()
    if not np.isfinite(wide).all():
        bad = int(np.flatnonzero(~np.isfinite(wide).all(axis=1))[0])
        raise InputError(f"{name} must be finite, row {bad} is not; drop that image or encode it again.")
    return wide
