"""Zero-shot CLIP (Radford et al., ICML 2021): the class prompt nearest to the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import Method, Run, TextState
from susx.methods.linear_head import LinearHead

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["ZeroShot", "ZeroShotState"]


@dataclass(frozen=True)
class ZeroShotState(TextState):
    """Text classifier (unit rows) and logit scale."""


@dataclass(frozen=True)
class ZeroShot(Method[ZeroShotState]):
    """logits = s f.W with s the encoder's logit scale. No hyper-parameters, no support."""

    name = "zero_shot"
    title = "Zero-shot"
    access = frozenset({"names"})
    state_type = ZeroShotState

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return scaled cosines of images and class prompts."""
        return state.logit_scale * (pooled @ state.text.T)

    def linear_head(self, state: ZeroShotState) -> LinearHead:
        """Return the scaled text classifier."""
        return LinearHead(state.logit_scale * state.text)
