"""TIP-X (Udandarao et al., SuS-X, ICCV 2023): Tip-Adapter plus a comparison of images by their signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run
from susx.methods.tip_adapter import (
    FINE_ALPHAS,
    FINE_BETAS,
    NOT_BELIEVED,
    CacheRows,
    CacheState,
    steps,
    tip_scores,
)

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.methods.functional.image_weights import Weighting
    from susx.search import Optimum

__all__ = ["TIP_X_AXES", "TipX", "TipXState"]

TIP_X_AXES = (
    Axis(
        "gamma",
        {
            "val": (0.0, *steps(0.1, 30, 50)),
            "support": (0.0, *(float(value) for value in np.geomspace(0.02, 30.0, 30))),
        },
        term="the KL term",
    ),
    Axis(
        "alpha",
        {"val": (0.0, *steps(0.1, 50, 20)), "support": FINE_ALPHAS},
        term="the votes of the support images",
    ),
    Axis("beta", {"val": steps(1, 50, 200), "support": FINE_BETAS}, shrinks="logarithms", weight="alpha"),
)
"""``val``: the published grid of 20 alphas, 200 betas and 50 gammas [SuS-X], with 0 so that zero-shot is a point."""


@dataclass(frozen=True)
class TipXState(CacheState):
    """What one support set fixes.

    Attributes:
        text, logit_scale, keys, labels, weights: see ``CacheState``.
        log_sums, mass: per class, the weighted sum of its images' log-signatures and of their weights; both count
            ``pool_trust`` times.
        psi_scale, psi_offset: psi(M) = scale M + offset.
    """

    log_sums: Float64[Tensor, "classes prompts"]
    mass: Float64[Tensor, " classes"]
    psi_scale: float
    psi_offset: float


@dataclass(frozen=True)
class TipX(CacheRows, Method[TipXState]):
    """logits = s f.W + alpha exp(-beta (1 - f.F^T)) L - gamma psi(M) L with M_ij = KL(p(f_i) || p(F_j)).

    psi maps divergences affinely onto the range of the affinities. Both ranges are those between *different
    support images*, so psi is fixed in ``fit`` and a row never depends on its batch. Values beyond the range
    are extrapolated, not clipped, which keeps M L linear in the log-signatures (see ``class_divergence``).
    A class without support gets no cache term and the mean divergence of the other classes: with none at all
    it would win wherever gamma is large, as divergences only ever subtract.

    No fixed values are published. The defaults take alpha and beta of Tip-Adapter's paper and the smallest
    gamma of the published search grid.

    Attributes:
        alpha, beta, gamma: weight of the votes, their sharpness, weight of the divergence.
        temperature: T of the signatures; 0.5 in the paper.
        weighting, nominal: see ``TipAdapter``.
    """

    alpha: float = 1.0
    beta: float = 5.5
    gamma: float = 0.1
    temperature: float = 0.5
    weighting: Weighting = "mean"
    nominal: float | None = None

    name = "tip_x"
    version = 3
    title = "TIP-X"
    needs = frozenset({Need.SUPPORT})
    reads = frozenset({Need.POOL})
    access = frozenset({"names", "pool", "shots"})
    state_type: ClassVar[type[TipXState]] = TipXState
    axes = TIP_X_AXES

    def __post_init__(self) -> None:
        self._check(
            non_negative=("alpha", "beta", "gamma"),
            positive=("temperature", *(("nominal",) if self.nominal is not None else ())),
        )
        self._check_choice("weighting", ("mean", "sum"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> TipXState:
        """Fix psi and sum the support signatures per class.

        Raises:
            NoSupportError: no support images.
        """
        from susx.methods.functional.ranges import support_affinity_range, support_divergence_range
        from susx.methods.functional.rescale import affine_map
        from susx.methods.functional.signature import log_signature

        images, _ = evidence.support(self.name)
        keys = self.support_rows(evidence)

        def ranges() -> tuple[tuple[float, float], tuple[float, float]]:
            signatures = log_signature(images, evidence.text_classifier, self.temperature)
            return support_divergence_range(signatures), support_affinity_range(keys)

        psi = affine_map(*evidence.derived((self.title, "ranges", self.temperature), ranges))
        return self._state(evidence, (psi.scale, psi.offset), self.trust(evidence))

    def _state(self, evidence: Evidence, psi: tuple[float, float], trust: float) -> TipXState:
        from susx.methods.functional.cache_logits import class_sums
        from susx.methods.functional.class_divergence import class_log_signatures
        from susx.methods.functional.image_weights import support_weights
        from susx.methods.functional.signature import log_signature

        images, labels = evidence.support(self.name)
        text, classes = evidence.text_classifier, evidence.classes
        weights = support_weights(labels, classes, self.weighting, self.nominal)
        signatures = log_signature(images, text, self.temperature)
        return TipXState(
            text=text,
            logit_scale=float(evidence.logit_scale),
            keys=self.support_rows(evidence),
            labels=labels,
            weights=trust * weights,
            pool_trust=trust,
            log_sums=trust * class_log_signatures(signatures, labels, weights, classes),
            mass=trust * class_sums(weights.double()[None], labels, classes)[0],
            psi_scale=psi[0],
            psi_offset=psi[1],
        )

    def scores(
        self, state: TipXState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus votes minus divergences."""
        divergence = self.divergence(state, pooled).float()
        return tip_scores(state, pooled, self.alpha, self.beta) - self.gamma * divergence

    def divergence(
        self, state: TipXState, pooled: Float[Tensor, "query dim"]
    ) -> Float64[Tensor, "query classes"]:
        """Return psi(M) L in float64, with the row's mean where a class has no support."""
        import torch

        from susx.methods.functional.class_divergence import class_divergence
        from susx.methods.functional.signature import log_signature

        signatures = log_signature(pooled, state.text, self.temperature)
        summed = class_divergence(signatures, state.log_sums, state.mass)
        rescaled = state.psi_scale * summed + state.psi_offset * state.mass
        supported = (state.mass > 0).double()
        mean = (rescaled * supported).sum(dim=1, keepdim=True) / supported.sum().clamp(min=1)
        return torch.where(supported > 0, rescaled, mean)

    def gives_zero_shot(self, state: TipXState) -> bool:
        """Whether the images are not believed to be of their classes, or neither votes nor divergences count."""
        return state.pool_trust == 0 or super().gives_zero_shot(state)

    def why_zero_shot(self, state: TipXState) -> str:
        """Return that the images are not believed, or that votes and divergences count nothing."""
        return NOT_BELIEVED if state.pool_trust == 0 else super().why_zero_shot(state)

    def numbers_per_row(self, state: TipXState, patches: int) -> int:
        """Return the numbers held per image: affinities, and float64 signatures and divergences."""
        return len(state.keys) + 6 * len(state.text)

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the exact optimum over the grid (see ``susx.search.exact``); psi is that of the whole support set."""
        from susx.methods.cache_search import search_cache_method

        whole = self.fit(evidence, run)
        psi = whole.psi_scale, whole.psi_offset

        def divergence(method: TipX, part: Evidence, images: ImageFeatures) -> Tensor:
            return method.divergence(method._state(part, psi, whole.pool_trust), images.pooled)

        return search_cache_method(self, evidence, query, labels, grid, fold, divergence)
