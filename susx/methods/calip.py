"""CALIP (Guo et al., AAAI 2023): parameter-free attention between an image's patches and the class prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.errors import InputError
from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run
from susx.methods.tip_adapter import steps
from susx.methods.zero_shot import ZeroShotState

if TYPE_CHECKING:
    from jaxtyping import Float, Int64
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures
    from susx.search import Optimum

__all__ = ["Calip", "calip_terms"]

_VISUAL = (0.0, *steps(0.001, 2.0, 20))
_TEXTUAL = (0.0, *steps(0.001, 0.1, 20))
"""CALIP's published search for ImageNet, up to 2.0 and 0.1, at every tenth of its 200 x 200 points, with 0 so that
zero-shot is a point."""

_TUNED_AT_ONCE = 64  # images whose attention a search holds


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
    import torch

    attention = patches @ text.T / temperature
    guided_text = torch.einsum("qpc,qpd->qcd", attention.softmax(dim=1), patches)
    guided_patches = attention.softmax(dim=2) @ text
    guided_image = guided_patches.mean(dim=1) + guided_patches.amax(dim=1)
    return torch.einsum("qd,qcd->qc", pooled, guided_text), guided_image @ text.T


@dataclass(frozen=True)
class Calip(Method[ZeroShotState]):
    """logits = s f.W + visual s f.W' + textual s pool(V').W.

    Attributes:
        visual, textual: weights of the two guided terms (beta_2 and beta_3). The defaults are the paper's for
            ImageNet.
        temperature: tau of the attention, 0.5 in the authors' code.
    """

    visual: float = 1.12
    textual: float = 0.02
    temperature: float = 0.5

    name = "calip"
    title = "CALIP"
    needs = frozenset({Need.PATCHES})
    access = frozenset({"names"})
    state_type = ZeroShotState
    axes = (
        Axis("textual", {"val": _TEXTUAL, "support": _TEXTUAL}, term="the textually guided image"),
        Axis("visual", {"val": _VISUAL, "support": _VISUAL}, term="the visually guided text"),
    )

    def __post_init__(self) -> None:
        self._check(positive=("temperature",), non_negative=("visual", "textual"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; CALIP has nothing to learn from support."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self,
        state: ZeroShotState,
        pooled: Float[Tensor, "query dim"],
        patches: Float[Tensor, "query patches dim"] | None,
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the two guided terms."""
        assert patches is not None  # ``logits`` refuses images without
        visual, textual = calip_terms(pooled, patches, state.text, self.temperature)
        return state.logit_scale * (pooled @ state.text.T + self.visual * visual + self.textual * textual)

    def numbers_per_row(self, state: ZeroShotState, patches: int) -> int:
        """Return the numbers held per image: attention both ways, guided patches, guided text."""
        classes, width = state.text.shape
        return patches * (2 * classes + width) + classes * width

    def search(
        self,
        evidence: Evidence,
        query: ImageFeatures,
        labels: Int64[Tensor, " query"],
        grid: Mapping[str, tuple[float, ...]],
        fold: Int64[Tensor, " support"] | None = None,
        run: Run = Run(),
    ) -> Optimum:
        """Return the optimum over the grid. Logits are linear in the two weights, so the attention is computed once.

        Raises:
            InputError: the rows come without patch features.
        """
        from susx.methods.weighed_search import Terms, search_weights

        if query.patches is None:
            raise InputError(
                f"{self.name}: tuning needs patch features of the tuning images. Encode them, or tune 'fixed'."
            )

        def terms_of(part: Evidence) -> Terms:
            text = part.text_classifier

            def terms(images: ImageFeatures) -> Iterator[tuple[Tensor, Tensor]]:
                assert images.patches is not None
                visual, textual = calip_terms(images.pooled, images.patches, text, self.temperature)
                prompts = images.pooled @ text.T
                for value in grid["textual"]:
                    yield prompts + value * textual, visual

            return terms

        # Nothing is learned from support, so that its folds are one.
        return search_weights(self, "visual", terms_of, evidence, query, labels, grid, block=_TUNED_AT_ONCE)
