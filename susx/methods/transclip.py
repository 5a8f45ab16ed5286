"""TransCLIP (Zanella et al., NeurIPS 2024), the one without shots: a folder's images as Gaussians held near the prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Run
from susx.methods.zero_shot import ZeroShotState

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["TransClip"]


@dataclass(frozen=True)
class TransClip(Method[ZeroShotState]):
    """Logits are log z of ``functional.mixture.transclip_shares``; an image's depend on the others of the folder.

    The released code counts the classes by the labels of the images that it measures on, and fails where one is missing; here
    they are the names. Constants are its own: lambda 1 (0.5 with shots), 3 neighbours, 10 rounds.

    Attributes:
        lam: weight of the prompts.
        smoothing: weight of the neighbours, 1 in the released code.
    """

    lam: float = 1.0
    smoothing: float = 1.0

    name = "transclip"
    title = "TransCLIP-ZS"
    access = frozenset({"names", "folder"})
    state_type = ZeroShotState
    axes = (
        Axis("lam", dict.fromkeys(("val", "support"), (0.5, 1.0, 2.0, 4.0)), shrinks="logarithms"),
        Axis("smoothing", dict.fromkeys(("val", "support"), (0.5, 1.0, 2.0)), shrinks="logarithms"),
    )
    row_wise = False

    def __post_init__(self) -> None:
        self._check(non_negative=("lam", "smoothing"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; all else comes with the folder."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return log z of the batch as one folder."""
        from susx.methods.functional.mixture import NEIGHBOURS, transclip_shares
        from susx.methods.functional.neighbours import neighbour_graph

        logits = state.logit_scale * (pooled @ state.text.T)
        return transclip_shares(pooled, logits, neighbour_graph(pooled, NEIGHBOURS), self.lam, self.smoothing)
