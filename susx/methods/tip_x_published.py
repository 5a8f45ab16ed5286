"""TIP-X as the official script computes it, for comparison only: logits depend on the batch.

Described from the script's behaviour: divergences are rescaled by the minimum and maximum of the whole batch, onto the
range of its affinities; they are filled in hundreds of rows, so the last (rows mod 100) stay zero; and test divergences
are mapped onto the range of affinities left over from the validation split. The last two are ``slips``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.errors import InputError
from susx.methods.base import Method, Need, Run
from susx.methods.tip_adapter import CacheRows, CacheState, tip_scores
from susx.methods.tip_x import TIP_X_AXES

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.methods.functional.image_weights import Weighting
    from susx.search import Optimum

__all__ = ["TipXPublished", "TipXPublishedState"]

_SCRIPT_BATCH = 100


@dataclass(frozen=True)
class TipXPublishedState(CacheState):
    """``CacheState`` and, for ``slips`` alone, the least and greatest validation affinity (else empty)."""

    slip_range: Float64[Tensor, " ends"]


@dataclass(frozen=True)
class TipXPublished(CacheRows, Method[TipXPublishedState]):
    """logits = s f.W + alpha exp(-beta (1 - f.F^T)) L - gamma psi(M) L, psi fixed by the batch at hand.

    The script multiplies in half precision on a GPU; here everything is float32. A class without support gets no
    divergence at all, which favours it more the larger gamma is.

    Attributes:
        alpha, beta, gamma, temperature, weighting, nominal: see ``TipX``; the published weighting is ``sum``.
        slips: make the script's two mistakes as well: the last (rows mod 100) rows get divergence 0, and divergences are
            mapped onto the range of the *validation* affinities (needs validation features).
    """

    alpha: float = 1.0
    beta: float = 5.5
    gamma: float = 0.1
    temperature: float = 0.5
    weighting: Weighting = "sum"
    nominal: float | None = None
    slips: bool = False

    name = "tip_x_published"
    title = "TIP-X as published (batch-wise)"
    needs = frozenset({Need.SUPPORT})
    access = frozenset({"names", "pool", "shots", "validation", "folder"})
    state_type = TipXPublishedState
    axes = TIP_X_AXES
    row_wise = False

    def __post_init__(self) -> None:
        self._check(
            non_negative=("alpha", "beta", "gamma"),
            positive=("temperature", *(("nominal",) if self.nominal is not None else ())),
        )
        self._check_choice("weighting", ("mean", "sum"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> TipXPublishedState:
        """Weigh the support rows.

        Raises:
            NoSupportError: no support images.
            InputError: ``slips`` without validation features.
        """
        import torch

        from susx.methods.functional.affinity import affinity
        from susx.methods.functional.image_weights import support_weights

        keys, labels = evidence.support(self.name)
        ends = torch.zeros(0, dtype=torch.float64)
        if self.slips:
            if evidence.validation_features is None or not evidence.has_validation:
                raise InputError(
                    f"{self.name}: slips=True maps divergences onto the range of validation affinities, and there are no "
                    "validation features. Give them, or leave slips off."
                )
            ends = torch.stack(torch.aminmax(affinity(evidence.validation_features, keys))).double()
        weights = support_weights(labels, evidence.classes, self.weighting, self.nominal)
        return TipXPublishedState(
            evidence.text_classifier, float(evidence.logit_scale), keys, labels, weights, ends
        )

    def scores(
        self, state: TipXPublishedState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus votes minus the batch's divergences."""
        return tip_scores(state, pooled, self.alpha, self.beta) - self.gamma * self.divergence(state, pooled)

    def divergence(
        self, state: TipXPublishedState, pooled: Float[Tensor, "query dim"]
    ) -> Float[Tensor, "query classes"]:
        """Return psi(M) L of one whole batch. Holds query x support numbers, as the script does."""
        import torch

        from susx.methods.functional.affinity import affinity
        from susx.methods.functional.cache_logits import class_sums
        from susx.methods.functional.kl import kl_divergence
        from susx.methods.functional.rescale import rescale_to_range
        from susx.methods.functional.signature import log_signature

        divergence = kl_divergence(
            log_signature(pooled, state.text, self.temperature),
            log_signature(state.keys, state.text, self.temperature),
        ).float()
        ends = state.slip_range
        if len(ends):
            divergence[len(divergence) - len(divergence) % _SCRIPT_BATCH :] = 0.0
        else:
            ends = torch.stack(torch.aminmax(affinity(pooled, state.keys)))
        scaled = rescale_to_range(divergence, (float(ends[0]), float(ends[1])))
        return class_sums(scaled * state.weights, state.labels, len(state.text))

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the exact optimum over the grid, the rows to classify being one batch (a fold each)."""
        from susx.methods.cache_search import search_cache_method

        def divergence(method: TipXPublished, part: Evidence, images: ImageFeatures) -> Tensor:
            return method.divergence(method.fit(part, run), images.pooled).double()

        return search_cache_method(self, evidence, query, labels, grid, fold, divergence)
