"""ZLaP (Stojnic et al., CVPR 2024), transductive: label propagation from the class prompts over a folder's images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.errors import ConfigError
from susx.methods.axis import Axis
from susx.methods.base import Method, Run
from susx.methods.zero_shot import ZeroShotState

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["Zlap"]

_NOTHING = 1e-30  # for the logarithm of a class that reaches an image by no path


@dataclass(frozen=True)
class Zlap(Method[ZeroShotState]):
    """Logits are the logarithm of what reaches an image from each prompt (``functional.label_propagation``).

    Constants are the released code's for a text classifier. The paper searches all three on validation images.

    Attributes:
        neighbours: k, the image itself among them; as many prompts.
        gamma: power of the cosines with prompts.
        alpha: share that a node passes on.
    """

    neighbours: int = 5
    gamma: float = 5.0
    alpha: float = 0.3

    name = "zlap"
    title = "ZLaP"
    access = frozenset({"names", "folder"})
    state_type = ZeroShotState
    axes = (
        Axis("gamma", dict.fromkeys(("val", "support"), (1.0, 3.0, 5.0, 10.0, 20.0)), shrinks="logarithms"),
        Axis("alpha", dict.fromkeys(("val", "support"), (0.1, 0.3, 0.5, 0.9))),
    )
    row_wise = False

    def __post_init__(self) -> None:
        self._check(positive=("neighbours", "gamma"), non_negative=("alpha",))
        if self.alpha >= 1:
            raise ConfigError(
                f"{self.name}: alpha must be below 1, found {self.alpha!r}. Give a share such as 0.3."
            )

    def fit(self, evidence: Evidence, run: Run = Run()) -> ZeroShotState:
        """Keep the text classifier; all else comes with the folder."""
        return ZeroShotState(evidence.text_classifier, float(evidence.logit_scale))

    def scores(
        self, state: ZeroShotState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return the logarithm of what reaches each image of the batch as one folder."""
        from susx.methods.functional.label_propagation import propagated

        return (
            propagated(pooled, state.text, self.neighbours, self.gamma, self.alpha).clamp(min=_NOTHING).log()
        )
