"""What names, and a pool where there is one, tell of the classes before a folder is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from susx.encoder_id import EncoderId
from susx.features.feature_set import Split
from susx.features.pool_search import nearest_rows, support_from_pool
from susx.methods import Evidence, WhitenedPrototypes
from susx.methods.functional.folder_prototypes import InductiveFit
from susx.methods.functional.support_choice import wanted
from susx.methods.pool_statistics import PoolStatistics

__all__ = ["fit_on_pool"]

_BLOCK = 65_536
"""Rows of a pool in memory at once."""


def fit_on_pool(
    method: WhitenedPrototypes,
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    statistics: PoolStatistics,
    parts: Iterable[np.ndarray],
    per_class: int,
    classes: Sequence[str],
) -> InductiveFit:
    """Fit the classes on the nearest images of a pool.

    Args:
        method: with its hyper-parameters.
        text, logit_scale: the text classifier in the order of ``classes``.
        statistics: of the pool, its classes in the same order.
        parts: features of the whole pool, memory-mapped; only the candidates of a block are held.
        per_class: images that support a class.
        classes: class names.
    """
    support = _support(text, logit_scale, parts, per_class)
    state = method.fit(
        Evidence(
            text, logit_scale, support.features, support.labels, class_names=tuple(classes),
            encoder=EncoderId(digest=statistics.encoder), pool=statistics,
        )
    )  # fmt: skip
    return InductiveFit(
        text, logit_scale, state.mean, state.matrix, state.prototypes, state.offset, statistics.mean,
        statistics.covariance,
    )  # fmt: skip


def _support(
    text: Float[Tensor, "classes dim"], scale: float, parts: Iterable[np.ndarray], per_class: int
) -> Split:
    candidates = []
    for part in parts:
        for start in range(0, len(part), _BLOCK):
            block = torch.from_numpy(np.array(part[start : start + _BLOCK], dtype=np.float32))
            norms = block.norm(dim=1)
            block = block[norms.isfinite() & (norms > 0)]
            if len(block):
                _, places = nearest_rows(text, block, min(len(block), wanted(per_class)))
                candidates.append(block[torch.unique(places)])
    return support_from_pool(text, scale, torch.cat(candidates), per_class)
