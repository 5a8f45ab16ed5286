"""MTA (Zanella and Ben Ayed, CVPR 2024): an image is the mode of its many views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.base import Method, Need, Run
from susx.methods.zero_shot import ZeroShotState

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence, ImageFeatures

__all__ = ["Mta"]


@dataclass(frozen=True)
class Mta(Method[ZeroShotState]):
    """logits = s m.W with m the mode of the image's views (``functional.mean_shift``).

    Constants are the released code's. It looks at one image, whose views are no further images: nothing but names is looked at.

    Attributes:
        lam_y: of the entropy of the views' scores.
        lam_q: of what views say alike.
    """

    lam_y: float = 0.2
    lam_q: float = 4.0

    name = "mta"
    title = "MTA"
    needs = frozenset({Need.VIEWS})
    access = frozenset({"names"})
    state_type = ZeroShotState

    def __post_init__(self) -> None:
        self._check(positive=("lam_y",), non_negative=("lam_q",))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return scaled cosines of images and class prompts."""
        return state.logit_scale * (pooled @ state.text.T)

    def scores_of(self, state: ZeroShotState, query: ImageFeatures) -> Float[Tensor, "query classes"]:
        """Return scaled cosines of the modes of images and class prompts."""
        import torch

        from susx.methods.functional.mean_shift import mode_of_views

        assert query.views is not None  # ``logits`` refuses images without
        modes = [
            mode_of_views(views, state.logit_scale * (views @ state.text.T), self.lam_y, self.lam_q)
            for views in query.views
        ]
        return self.scores(state, torch.stack(modes) if modes else query.pooled, None)
