"""TIP-X++ (IMO, BMVC 2024): TIP-X whose affinities are between images as an adapted encoder sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.tip_adapter import tip_scores
from susx.methods.tip_x import TipX, TipXState
from susx.methods.two_spaces import AdaptedSpace, AdapterFields

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import ImageFeatures

__all__ = ["TipXPP", "TipXPPState"]


@dataclass(frozen=True)
class TipXPPState(AdapterFields, TipXState):
    """TIP-X's state whose keys are adapted, and the adapters."""


@dataclass(frozen=True)
class TipXPP(AdaptedSpace, TipX):
    """logits = s f.W + alpha exp(-beta (1 - g.G^T)) L - gamma psi(M) L: affinities of adapted features g, prompts and
    signatures of the encoder's own f; psi maps onto the range of the adapted affinities.

    With adapters that change nothing it is TIP-X; see ``TipAdapterPP``.
    """

    name = "tip_x_pp"
    title = "TIP-X++"
    state_type = TipXPPState

    def scores_of(self, state: TipXState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits of the images plus votes by their adapted features minus divergences."""
        divergence = self.divergence(state, query.pooled).float()
        votes = tip_scores(state, query.pooled, self.alpha, self.beta, self.query_rows(query))
        return votes - self.gamma * divergence
