"""Tip-Adapter (Zhang et al., ECCV 2022): a training-free cache of support images beside the class prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.methods.functional.image_weights import Weighting
    from susx.search import Optimum

__all__ = [
    "FINE_ALPHAS",
    "FINE_BETAS",
    "NOT_BELIEVED",
    "CacheRows",
    "CacheState",
    "TipAdapter",
    "steps",
    "tip_scores",
]


def steps(first: float, scale: float, count: int) -> tuple[float, ...]:
    """Return ``first + i (scale - first) / count`` for i below ``count``, as both papers' scripts list their grids: the
    scale itself is never reached.

    >>> steps(0.0, 4.0, 4)
    (0.0, 1.0, 2.0, 3.0)
    """
    return tuple(float(value) for value in first + np.arange(count) * (scale - first) / count)


_SCALES: dict[str, tuple[float, float]] = {
    "caltech101": (12, 5),
    "dtd": (13, 13),
    "eurosat": (12, 10),
    "fgvcaircraft": (30, 30),
    "flowers102": (50, 50),
    "food101": (10, 10),
    "imagenet": (7, 3),
    "oxfordpets": (7, 3),
    "stanfordcars": (20, 10),
    "sun397": (12, 10),
    "ucf101": (7, 3),
}
"""(beta, alpha) scale of each data set of the paper."""

FINE_ALPHAS = (0.0, *(float(value) for value in np.geomspace(0.05, 50.0, 31)))
FINE_BETAS = tuple(float(value) for value in np.arange(1.0, 50.0, 0.5))
"""Logarithmic and even steps for tuning on the support set. The published alphas are 0.1, 2.6, 5.1 ...: too coarse
around the fixed values, near which a shrunken choice lies."""


@dataclass(frozen=True)
class CacheState(TextState):
    """Text classifier and logit scale; support rows with their class and weight.

    Attributes:
        pool_trust: how far images chosen from a pool are trusted: part of the weights, and of what a search is offered.
    """

    keys: Float[Tensor, "support dim"]
    labels: Int64[Tensor, " support"]
    weights: Float[Tensor, " support"]
    pool_trust: float = field(default=1.0, kw_only=True)


NOT_BELIEVED = "the images that the pool offers are not believed to be of their classes"
"""Why a cache whose images count nothing is zero-shot."""


class CacheRows:
    """Which rows of images a method with a cache compares with each other: here the encoder's own."""

    name: ClassVar[str]

    def support_rows(self, evidence: Evidence) -> Float[Tensor, "support dim"]:
        """Return the support rows.

        Raises:
            NoSupportError: no support images.
        """
        return evidence.support(self.name)[0]

    def query_rows(self, query: ImageFeatures) -> Float[Tensor, "query dim"]:
        """Return the rows of queries."""
        return query.pooled

    def class_trust(self, state: CacheState) -> tuple[float, ...]:
        """Return the one trust in all images, 0 for a class without; () where they are believed whole."""
        if state.pool_trust == 1.0:
            return ()
        has_images = set(state.labels.tolist())
        return tuple(state.pool_trust * (label in has_images) for label in range(len(state.text)))

    def trust(self, evidence: Evidence) -> float:
        """Return how far the support images are believed to be of their classes: ``votes`` of ``functional.support_trust``.

        1 where a person labelled some, and without statistics of the pool that they were chosen from: images generated.
        """
        from susx.methods.functional.support_trust import support_trust

        if evidence.pool is None or evidence.has_labelled:
            return 1.0
        images, labels = evidence.support(self.name)
        text, scale = evidence.text_classifier, float(evidence.logit_scale)
        return evidence.derived(
            ("support trust", 16), lambda: support_trust(text, scale, images, labels, evidence.pool)
        ).votes


def tip_scores(
    state: CacheState,
    pooled: Float[Tensor, "query dim"],
    alpha: float,
    beta: float,
    compared: Float[Tensor, "query dim"] | None = None,
) -> Float[Tensor, "query classes"]:
    """Return s f.W + alpha exp(-beta (1 - g.F^T)) L of unit rows; g are the rows ``compared`` with the keys, by default f."""
    from susx.methods.functional.affinity import affinity
    from susx.methods.functional.cache_logits import cache_logits

    prompts = state.logit_scale * (pooled @ state.text.T)
    votes = cache_logits(
        affinity(pooled if compared is None else compared, state.keys),
        state.labels,
        state.weights,
        beta,
        len(state.text),
    )
    return prompts + alpha * votes


@dataclass(frozen=True)
class TipAdapter(CacheRows, Method[CacheState]):
    """logits = s f.W + alpha exp(-beta (1 - f.F^T)) L.

    Images that were chosen from a pool count rho times (``functional.support_trust``). The defaults alpha = 1 and beta = 5.5
    are the fixed values of the paper (sec. 4.4, the starred ones of its ablation). A class without support gets no cache term.

    Attributes:
        alpha: weight of the support images.
        beta: sharpness of the vote.
        weighting: ``mean`` gives a class the mean of its images times the nominal count, ``sum`` is the
            published sum, which favours classes with more images.
        nominal: that count; None takes the median over the classes with support.
    """

    alpha: float = 1.0
    beta: float = 5.5
    weighting: Weighting = "mean"
    nominal: float | None = None

    name = "tip_adapter"
    version = 3
    title = "Tip-Adapter"
    needs = frozenset({Need.SUPPORT})
    reads = frozenset({Need.POOL})
    access = frozenset({"names", "pool", "shots"})
    state_type: ClassVar[type[CacheState]] = CacheState
    axes = (
        Axis(
            "alpha",
            {"val": (0.0, *steps(0.1, 50, 20)), "support": FINE_ALPHAS},
            # A data set that the paper does not name gets TIP-X's alphas and betas.
            {name: (0.0, *steps(0.1, alpha, 20)) for name, (_, alpha) in _SCALES.items()},
            term="the votes of the support images",
        ),
        Axis(
            "beta",
            {"val": steps(1, 50, 200), "support": FINE_BETAS},
            {name: steps(0.1, beta, 200) for name, (beta, _) in _SCALES.items()},
            shrinks="logarithms",
            weight="alpha",
        ),
    )

    def __post_init__(self) -> None:
        self._check(non_negative=("alpha", "beta"), positive=("nominal",) if self.nominal is not None else ())
        self._check_choice("weighting", ("mean", "sum"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> CacheState:
        """Weigh the support rows.

        Raises:
            NoSupportError: no support images.
        """
        from susx.methods.functional.image_weights import support_weights

        _, labels = evidence.support(self.name)
        keys = self.support_rows(evidence)
        trust = self.trust(evidence)
        weights = trust * support_weights(labels, evidence.classes, self.weighting, self.nominal)
        scale = float(evidence.logit_scale)
        return CacheState(evidence.text_classifier, scale, keys, labels, weights, pool_trust=trust)

    def scores(
        self, state: CacheState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the votes of the support images."""
        return tip_scores(state, pooled, self.alpha, self.beta)

    def gives_zero_shot(self, state: CacheState) -> bool:
        """Whether the images are not believed to be of their classes, or the votes count nothing."""
        return state.pool_trust == 0 or super().gives_zero_shot(state)

    def why_zero_shot(self, state: CacheState) -> str:
        """Return that the images are not believed, or that the votes count nothing."""
        return NOT_BELIEVED if state.pool_trust == 0 else super().why_zero_shot(state)

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the exact optimum over the grid (see ``susx.search.exact``)."""
        from susx.methods.cache_search import search_cache_method

        return search_cache_method(self, evidence, query, labels, grid, fold)
