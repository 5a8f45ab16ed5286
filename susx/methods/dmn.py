"""DMN (Zhang et al., CVPR 2024), training-free and without shots: a memory that grows with the stream is read by each image anew."""

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

__all__ = ["Dmn"]

_PLACES = 50  # of a class in the memory
_LEAST = 1e-30  # for the logarithm of shares that are 0 in float32


@dataclass(frozen=True)
class Dmn(Method[ZeroShotState]):
    """logits = log(softmax(s f.W) + weight softmax(s f.V(f))), the batch being the stream in its order.

    V_c(f) is the unit sum of a class's prompt and its remembered images m, each times exp(-beta (1 - f.m)): what of the memory is
    like this image. A class keeps its 50 images of least entropy so far, itself among them. The released code chooses the weight of the memory
    among 13 by the labels of the images it measures on, for every data set; there is no fixed one, and 1 is its middle. It chooses an image's class
    by 32 augmented views; features are one.

    Attributes:
        weight: of what the memory says.
        beta: sharpness of the reading, 5.5 in the released code.
    """

    weight: float = 1.0
    beta: float = 5.5

    name = "dmn"
    title = "DMN-ZS"
    access = frozenset({"names", "stream"})
    state_type = ZeroShotState
    axes = (
        Axis("weight", dict.fromkeys(("val", "support"), (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)), term="the memory"),
    )
    row_wise = False

    def __post_init__(self) -> None:
        self._check(non_negative=("weight", "beta"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; the memory is empty when a stream begins."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the logits of the batch as one stream, each image by what came before it and itself."""
        from susx.methods.functional.stream_memory import memory_cosines

        cosines = pooled @ state.text.T
        prompts = (state.logit_scale * cosines).softmax(dim=1)
        read = memory_cosines(pooled, state.text, prompts, _PLACES, self.beta)
        shares = prompts + self.weight * (state.logit_scale * read).softmax(dim=1)
        return shares.clamp(min=_LEAST).log()
