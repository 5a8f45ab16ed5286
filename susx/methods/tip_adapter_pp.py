"""Tip-Adapter++ (IMO, BMVC 2024): Tip-Adapter whose affinities are between images as an adapted encoder sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.tip_adapter import CacheState, TipAdapter, tip_scores
from susx.methods.two_spaces import AdaptedSpace, AdapterFields

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import ImageFeatures

__all__ = ["TipAdapterPP", "TipAdapterPPState"]


@dataclass(frozen=True)
class TipAdapterPPState(AdapterFields, CacheState):
    """Tip-Adapter's state whose keys are adapted, and the adapters."""


@dataclass(frozen=True)
class TipAdapterPP(AdaptedSpace, TipAdapter):
    """logits = s f.W + alpha exp(-beta (1 - g.G^T)) L: prompts meet the encoder's own features f, images each other's adapted g.

    The adapters are bottlenecks in the visual blocks, trained once on a generic labelled set (``susx adapt``). With adapters
    that change nothing it is Tip-Adapter.
    """

    name = "tip_adapter_pp"
    title = "Tip-Adapter++"
    state_type = TipAdapterPPState

    def scores_of(self, state: CacheState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits of the images plus votes by their adapted features."""
        return tip_scores(state, query.pooled, self.alpha, self.beta, self.query_rows(query))
