"""Whitened prototypes: a closed-form classifier from class names, retrieved images and the pool they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["WhitenedPrototypes", "WhitenedPrototypesState"]


_WEIGHT = 6.0


@dataclass(frozen=True)
class WhitenedPrototypesState(TextState):
    """What one support set and pool fix.

    Attributes:
        mean, matrix: the whitening of images.
        prototypes: one row per class, g p at the default weight.
        offset: the hubness bias of each class at the default bias.
        evidence: how far the pool holds the classes; 0 is chance (``functional.domain``).
        sigma, rho: share of all terms beyond zero-shot, and of a class's own images, that follows from it.
    """

    mean: Float[Tensor, " dim"]
    matrix: Float[Tensor, "dim dim"]
    prototypes: Float[Tensor, "classes dim"]
    offset: Float[Tensor, " classes"]
    evidence: float
    sigma: float
    rho: float


@dataclass(frozen=True)
class WhitenedPrototypes(Method[WhitenedPrototypesState]):
    """logits = s f.W - bias A b + g normalise((f - m) S^-1/2).p, all of it in ``functional.whitened_prototypes``.

    The defaults are for images that nobody labelled, and were chosen on the swapped splits of DTD and SUN397. Where the
    pool holds nothing of the classes the method is zero-shot. Without pool statistics (images generated) there is no
    bias, and the images are believed.

    Weight and bias act on the logits; the second fit inside ``fit`` ranks images by the defaults of both.

    Attributes:
        weight: of the prototypes; g = weight sigma (1 + 4/5 rho).
        bias: multiplies the hubness bias.
        ridge: penalty of the text map.
        shrinkage: of the covariance.
        depth: images of a class that count.
        labelled: the images were labelled by a person: equal weights, no bias, full trust. Use a weight of 12 (few) to 20 (8 and more).
    """

    weight: float = _WEIGHT
    bias: float = 1.0
    ridge: float = 1.0
    shrinkage: float = 0.1
    depth: int = 16
    labelled: bool = False

    name = "whitened_prototypes"
    version = 2
    title = "Whitened prototypes"
    needs = frozenset({Need.SUPPORT, Need.POOL})
    state_type = WhitenedPrototypesState
    axes = (
        Axis(
            "weight",
            {"val": (0.0, 3.0, 6.0, 12.0, 24.0), "support": (0.0, 3.0, 6.0, 12.0, 24.0)},
            term="the whitened prototypes",
        ),
        Axis("bias", {"val": (0.0, 0.5, 1.0), "support": (0.0, 1.0)}, term="the hubness bias"),
    )

    def __post_init__(self) -> None:
        self._check(positive=("ridge", "shrinkage", "depth"), non_negative=("weight", "bias"))

    def fit(self, evidence: Evidence, run: Run = Run()) -> WhitenedPrototypesState:
        """Fit the prototypes and read the bias from the pool.

        Raises:
            NoSupportError: no support images.
        """
        from susx.methods.functional.whitened_prototypes import Constants, fit_prototypes

        keys, labels = evidence.support(self.name)
        text, scale = evidence.text_classifier, float(evidence.logit_scale)
        constants = Constants(
            weight=_WEIGHT,
            ridge=self.ridge,
            shrinkage=self.shrinkage,
            depth=self.depth,
            labelled=self.labelled,
        )
        terms = evidence.derived(
            ("whitened prototypes", constants),
            lambda: fit_prototypes(text, scale, keys, labels, evidence.pool, constants),
        )
        return WhitenedPrototypesState(text=text, logit_scale=scale, **vars(terms))

    def scores(
        self, state: WhitenedPrototypesState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the whitened prototypes minus the bias."""
        from susx.methods.functional.whitened_prototypes import prototype_scores

        added = prototype_scores(pooled, state.mean, state.matrix, state.prototypes)
        prompts = state.logit_scale * (pooled @ state.text.T)
        return prompts + (self.weight / _WEIGHT) * added - self.bias * state.offset

    def gives_zero_shot(self, state: WhitenedPrototypesState) -> bool:
        """Whether the pool holds nothing of the classes, or both weights are 0."""
        return state.sigma == 0 or super().gives_zero_shot(state)
