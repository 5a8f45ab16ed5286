"""Zero-shot CLIP (Radford et al., ICML 2021): the class prompt nearest to the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from susx.methods.base import Need
from susx.methods.blocks import logits_in_blocks
from susx.methods.evidence import Evidence, ImageFeatures

__all__ = ["ZeroShot", "ZeroShotState"]


@dataclass(frozen=True)
class ZeroShotState:
    """Text classifier (unit rows) and logit scale."""

    text: Float[Tensor, "classes dim"]
    logit_scale: float


@dataclass(frozen=True)
class ZeroShot:
    """logits = s f.W with s the encoder's logit scale. No hyper-parameters, no support."""

    name: ClassVar[str] = "zero_shot"
    needs: ClassVar[frozenset[Need]] = frozenset()
    state_type: ClassVar[type] = ZeroShotState

    def fit(self, evidence: Evidence) -> ZeroShotState:
        """Keep the text classifier."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def logits(self, state: ZeroShotState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return scaled cosines of images and class prompts."""
        return logits_in_blocks(
            query,
            state.text,
            len(state.text),
            lambda images: state.logit_scale * (images.pooled @ state.text.T),
        )
