"""Tip-Adapter (Zhang et al., ECCV 2022): a training-free cache of support images beside the class prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int64
from torch import Tensor

from susx.methods.base import Need, check_hyper_parameters
from susx.methods.blocks import logits_in_blocks
from susx.methods.evidence import Evidence, ImageFeatures
from susx.methods.functional.affinity import affinity
from susx.methods.functional.cache_logits import cache_logits
from susx.methods.functional.weights import Weighting, support_weights

__all__ = ["TipAdapter", "TipAdapterState"]


@dataclass(frozen=True)
class TipAdapterState:
    """Text classifier and logit scale; support rows with their class and weight."""

    text: Float[Tensor, "classes dim"]
    logit_scale: float
    keys: Float[Tensor, "support dim"]
    labels: Int64[Tensor, " support"]
    weights: Float[Tensor, " support"]


@dataclass(frozen=True)
class TipAdapter:
    """logits = s f.W + alpha exp(-beta (1 - f.F^T)) L.

    The defaults alpha = 1 and beta = 5.5 are the fixed values of the paper (sec. 4.4, the starred ones of its
    ablation). A class without support gets no cache term.

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

    name: ClassVar[str] = "tip_adapter"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SUPPORT})
    state_type: ClassVar[type] = TipAdapterState

    def __post_init__(self) -> None:
        check_hyper_parameters(self, non_negative=("alpha", "beta"))

    def fit(self, evidence: Evidence) -> TipAdapterState:
        """Weigh the support rows.

        Raises:
            NoSupportError: no support images.
        """
        keys, labels = evidence.support(self.name)
        weights = support_weights(labels, evidence.classes, self.weighting, self.nominal)
        return TipAdapterState(evidence.text_classifier, float(evidence.logit_scale), keys, labels, weights)

    def logits(self, state: TipAdapterState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the votes of the support images."""
        classes = len(state.text)

        def block(images: ImageFeatures) -> Tensor:
            prompts = state.logit_scale * (images.pooled @ state.text.T)
            votes = cache_logits(
                affinity(images.pooled, state.keys), state.labels, state.weights, self.beta, classes
            )
            return prompts + self.alpha * votes

        return logits_in_blocks(query, state.text, len(state.keys), block)
