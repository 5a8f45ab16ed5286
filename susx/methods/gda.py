"""GDA (Wang et al., ICLR 2024): Gaussian discriminant analysis of the support images beside the class prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState
from susx.methods.linear_head import LinearHead

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["Gda", "GdaState"]

_ALPHAS = (0.0, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
"""The released code's search, and 0."""


@dataclass(frozen=True)
class GdaState(TextState):
    """Weight and bias of the discriminant (``functional.gaussian``)."""

    weight: Float[Tensor, "classes dim"]
    bias: Float[Tensor, " classes"]


@dataclass(frozen=True)
class Gda(Method[GdaState]):
    """logits = s f.W + alpha (f.w + b).

    The paper gives alpha no value: its code searches it on validation images for every data set and number of shots, from
    0.1, which is the default here. Its images are ten random crops each, features are one; at one image a class nothing
    varies within classes, and the method is zero-shot. A class without images, NaN in the released code, gets the mean
    score of the others.

    Attributes:
        alpha: weight of the discriminant.
    """

    alpha: float = 0.1

    name = "gda"
    title = "GDA"
    needs = frozenset({Need.SUPPORT})
    access = frozenset({"names", "pool", "shots"})
    state_type = GdaState
    axes = (Axis("alpha", dict.fromkeys(("val", "support"), _ALPHAS), term="the Gaussian discriminant"),)

    def __post_init__(self) -> None:
        self._check(non_negative=("alpha",))

    def fit(self, evidence: Evidence, run: Run = Run()) -> GdaState:
        """Fit the Gaussians.

        Raises:
            NoSupportError: no support images.
        """
        from susx.methods.functional.gaussian import gaussian_classifier

        images, labels = evidence.support(self.name)
        weight, bias = evidence.derived(
            "gaussians", lambda: gaussian_classifier(images, labels, evidence.classes)
        )
        return GdaState(evidence.text_classifier, float(evidence.logit_scale), weight, bias)

    def scores(
        self, state: GdaState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the discriminant, in one product."""
        rows = state.text + (self.alpha / state.logit_scale) * state.weight
        return state.logit_scale * (pooled @ rows.T) + self.alpha * state.bias

    def linear_head(self, state: GdaState) -> LinearHead:
        """Return text classifier and discriminant as one layer."""
        return LinearHead(state.logit_scale * state.text + self.alpha * state.weight, self.alpha * state.bias)
