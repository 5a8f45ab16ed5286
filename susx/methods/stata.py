"""StatA (Zanella et al., CVPR 2025): TransCLIP that a prompt anchors the more, the fewer images of its class a folder has."""

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

__all__ = ["StatA"]


@dataclass(frozen=True)
class StatA(Method[ZeroShotState]):
    """Logits are log z of ``functional.mixture.stata_shares``; an image's depend on the others of the folder.

    Constants are the released code's: anchor 1 (its alpha), 3 neighbours, 10 rounds, neighbours' weight 1, classes counted by
    first choices. That code divides the first variance by the number of images once for every 2,500 of them, so that of a larger folder
    the last part alone counts; here it is divided once. Up to 2,500 images the two agree.

    Attributes:
        anchor: images that a prompt counts as.
        smoothing: weight of the neighbours.
    """

    anchor: float = 1.0
    smoothing: float = 1.0

    name = "stata"
    version = 2
    title = "StatA"
    access = frozenset({"names", "folder"})
    state_type = ZeroShotState
    axes = (
        Axis("anchor", dict.fromkeys(("val", "support"), (0.1, 1.0, 10.0, 100.0)), shrinks="logarithms"),
        Axis("smoothing", dict.fromkeys(("val", "support"), (0.5, 1.0, 2.0)), shrinks="logarithms"),
    )
    row_wise = False

    def __post_init__(self) -> None:
        self._check(non_negative=("anchor", "smoothing"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; all else comes with the folder."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return log z of the batch as one folder."""
        from susx.methods.functional.mixture import NEIGHBOURS, stata_shares
        from susx.methods.functional.neighbours import neighbour_graph

        logits = state.logit_scale * (pooled @ state.text.T)
        graph = neighbour_graph(pooled, NEIGHBOURS)
        return stata_shares(pooled, logits, state.text, graph, self.anchor, self.smoothing)
