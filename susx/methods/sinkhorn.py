"""A balanced assignment of a folder's images to the classes, by Sinkhorn's scaling as InMaP and Frolic use it."""

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

__all__ = ["Sinkhorn"]


@dataclass(frozen=True)
class Sinkhorn(Method[ZeroShotState]):
    """Logits are the logarithm of ``functional.balanced_assignment.balanced``: zero-shot less what a class was chosen too often.

    Constants are InMaP's: 20 rounds at the encoder's scale, and classes of equal size. Frolic's released code keeps the
    shares that the prompts give (prior 1). Neither paper stops here: InMaP trains a classifier on these labels, Frolic
    mixes several.

    Attributes:
        prior: power of the classes' shares by the prompts.
        rounds: of scaling.
    """

    prior: float = 0.0
    rounds: int = 20

    name = "sinkhorn"
    title = "Balanced assignment (Sinkhorn)"
    access = frozenset({"names", "folder"})
    state_type = ZeroShotState
    axes = (Axis("prior", dict.fromkeys(("val", "support"), (0.0, 0.25, 0.5, 0.75, 1.0))),)
    row_wise = False

    def __post_init__(self) -> None:
        self._check(non_negative=("prior", "rounds"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; all else comes with the folder."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the logarithm of the batch's assignment as one folder."""
        from susx.methods.functional.balanced_assignment import balanced

        return balanced(state.logit_scale * (pooled @ state.text.T), self.prior, self.rounds)
