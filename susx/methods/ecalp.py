"""ECALP (Li et al., ICLR 2025): label propagation over a graph of prompts and images that grows with the stream."""

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

__all__ = ["Ecalp"]

_NOTHING = 1e-30  # for the logarithm of a class that reaches an image by no path


@dataclass(frozen=True)
class Ecalp(Method[ZeroShotState]):
    """Logits are the logarithm of what reaches an image from each prompt at the time it comes (``functional.stream_graph``).

    The one without shots; constants are its released code's. That code's alpha is 1, with which scores of the time before
    count at the start of the rounds alone. Work grows with the square of the stream: 0.1 s an image at 4,000 images of 397 classes.

    Attributes:
        neighbours: images that an image is joined to, itself among them.
        prompts: prompts that it is joined to.
        gamma: power of the cosines.
        rounds: of propagation.
    """

    neighbours: int = 8
    prompts: int = 3
    gamma: float = 10.0
    rounds: int = 3

    name = "ecalp"
    title = "ECALP"
    access = frozenset({"names", "stream"})
    state_type = ZeroShotState
    axes = (Axis("gamma", dict.fromkeys(("val", "support"), (5.0, 10.0, 20.0)), shrinks="logarithms"),)
    row_wise = False

    def __post_init__(self) -> None:
        self._check(positive=("neighbours", "prompts", "gamma", "rounds"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; the graph has no image when a stream begins."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the logarithm of what reaches each image of the batch as one stream, by what came before it and itself."""
        from susx.methods.functional.stream_graph import growing_graph_scores

        reached = growing_graph_scores(
            pooled, state.text, self.neighbours, self.prompts, self.gamma, self.rounds
        )
        return reached.clamp(min=_NOTHING).log()
