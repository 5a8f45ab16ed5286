"""CALIP (Guo et al., AAAI 2023): parameter-free attention between an image's patches and the class prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from susx.errors import InputError
from susx.methods.base import Need, check_hyper_parameters
from susx.methods.blocks import logits_in_blocks
from susx.methods.evidence import Evidence, ImageFeatures
from susx.methods.zero_shot import ZeroShotState

__all__ = ["Calip", "calip_terms"]


def calip_terms(
    pooled: Float[Tensor, "query dim"],
    patches: Float[Tensor, "query patches dim"],
    text: Float[Tensor, "classes dim"],
    temperature: float,
) -> tuple[Float[Tensor, "query classes"], Float[Tensor, "query classes"]]:
    """Return the cosine-like scores (image . visually guided text, textually guided image . text).

    With A = V W^T / tau over patches V and prompts W:

        W' = softmax_patches(A)^T V      (each prompt gathers the patches that look like it)
        V' = softmax_classes(A) W        (each patch gathers the prompts it looks like), pooled as mean +
        maximum

    and the scores are f.W'^T and pool(V').W^T. Nothing is normalised again, as in the authors' code.
    """
    attention = patches @ text.T / temperature
    guided_text = torch.einsum("qpc,qpd->qcd", attention.softmax(dim=1), patches)
    guided_patches = attention.softmax(dim=2) @ text
    guided_image = guided_patches.mean(dim=1) + guided_patches.amax(dim=1)
    return torch.einsum("qd,qcd->qc", pooled, guided_text), guided_image @ text.T


@dataclass(frozen=True)
class Calip:
    """logits = s f.W + visual s f.W' + textual s pool(V').W.

    Attributes:
        visual, textual: weights of the two guided terms (beta_2 and beta_3). The defaults are the paper's for
            ImageNet.
        temperature: tau of the attention, 0.5 in the authors' code.
    """

    visual: float = 1.12
    textual: float = 0.02
    temperature: float = 0.5

    name: ClassVar[str] = "calip"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PATCHES})
    state_type: ClassVar[type] = ZeroShotState

    def __post_init__(self) -> None:
        check_hyper_parameters(self, positive=("temperature",), non_negative=("visual", "textual"))

    def fit(self, evidence: Evidence) -> ZeroShotState:
        """Keep the text classifier; CALIP has nothing to learn from support."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def logits(self, state: ZeroShotState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the two guided terms.

        Raises:
            InputError: the images come without patch features, or of another width.
        """
        patches = query.patches
        if patches is None or patches.shape[-1] != state.text.shape[1] or not patches.shape[1]:
            found = "none" if patches is None else f"shape {tuple(patches.shape)}"
            raise InputError(
                f"calip: expected patch features of width {state.text.shape[1]} for every image, found {found}. "
                "Encode with an encoder that yields patch tokens, or use zero_shot."
            )
        classes, tokens, width = len(state.text), patches.shape[1], state.text.shape[1]

        def block(images: ImageFeatures) -> Tensor:
            assert images.patches is not None
            visual, textual = calip_terms(images.pooled, images.patches, state.text, self.temperature)
            return state.logit_scale * (
                images.pooled @ state.text.T + self.visual * visual + self.textual * textual
            )

        return logits_in_blocks(query, state.text, tokens * (2 * classes + width) + classes * width, block)
