"""Whitened prototypes: a closed-form classifier from class names, retrieved or labelled images and the pool of the former."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from susx.methods.axis import Axis
from susx.methods.base import Method, Need, Run, TextState

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from susx.methods.evidence import Evidence

__all__ = ["WhitenedPrototypes", "WhitenedPrototypesState"]


_WEIGHT = 4.5


@dataclass(frozen=True)
class WhitenedPrototypesState(TextState):
    """What one support set and pool fix.

    Attributes:
        mean, matrix: the whitening of images.
        prototypes: one row per class, g p at the default weight.
        offset: what is taken off each class's logits for hubs (``prompt_prior``, ``hubness``) at the default bias.
        evidence, share: how far the pool holds the classes (``functional.support_trust``): certainty of the chosen images,
            from 0 at chance to 1 where every image is certain, and to 1 at what real images would have.
        sigma, rho: share of all terms of retrieved images, and of a class's own, that follows from them.
        pool_trust: how far each class's images are trusted, 0 to 1.
        labelled_mean, labelled_matrix, labelled_prototypes, trust, stranger: of images that a person labelled
            (``functional.labelled_prototypes``); None where there are none.
        every_class: whether all classes have such images.
    """

    mean: Float[Tensor, " dim"]
    matrix: Float[Tensor, "dim dim"]
    prototypes: Float[Tensor, "classes dim"]
    offset: Float[Tensor, " classes"]
    evidence: float
    share: float
    sigma: float
    rho: float
    pool_trust: Float[Tensor, " classes"]
    labelled_mean: Float[Tensor, " dim"] | None = field(default=None, kw_only=True)
    labelled_matrix: Float[Tensor, "dim dim"] | None = field(default=None, kw_only=True)
    labelled_prototypes: Float[Tensor, "classes dim"] | None = field(default=None, kw_only=True)
    trust: Float[Tensor, " classes"] | None = field(default=None, kw_only=True)
    stranger: float = field(default=0.0, kw_only=True)
    every_class: bool = field(default=False, kw_only=True)

    @property
    def trust_sentence(self) -> str:
        """How far the support images are trusted, in a sentence."""
        from susx.methods.functional.support_trust import trust_sentence

        return trust_sentence(self.sigma, self.share)


@dataclass(frozen=True)
class WhitenedPrototypes(Method[WhitenedPrototypesState]):
    """logits = s f.W - bias b + g normalise((f - m) S^-1/2).p, all of it in ``functional.whitened_prototypes``.

    The defaults are for images that nobody labelled, and were chosen on the swapped splits of DTD, SUN397 and Pets
    (16 breeds; their swapped half is half of the test images). Images that look no more like their classes than chance add nothing.
    That is no promise: a pool of *other* breeds can pass for the right ones. Without pool statistics (images generated) there is no bias, and
    the images are believed. Images that a person labelled are told apart (``Evidence.support_labelled``) and believed by
    their number and spread alone, whatever the pool holds (``functional.labelled_prototypes``).

    Weight and bias act on the logits; the second fit inside ``fit`` ranks images by the defaults of both.

    Attributes:
        weight: of the prototypes; g = weight k sigma (1 + 1.7 rho), and labelled images count weight / 4.5 times.
        bias: multiplies what is taken off for hubs.
        ridge: penalty of the text map.
        shrinkage: of the covariance.
        depth: images of a class that count, of those that nobody labelled.
    """

    weight: float = _WEIGHT
    bias: float = 1.0
    ridge: float = 1.0
    shrinkage: float = 0.1
    depth: int = 16

    name = "whitened_prototypes"
    version = 5
    title = "Whitened prototypes"
    needs = frozenset({Need.SUPPORT, Need.POOL})
    access = frozenset({"names", "pool", "shots"})
    state_type = WhitenedPrototypesState
    axes = (
        Axis(
            "weight",
            {"val": (0.0, 2.0, 4.5, 8.0, 16.0), "support": (0.0, 2.0, 4.5, 8.0, 16.0)},
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
        import torch

        from susx.methods.functional.support_trust import support_trust
        from susx.methods.functional.whitened_prototypes import Constants, Prototypes, fit_prototypes

        keys, labels = evidence.support(self.name)
        text, scale = evidence.text_classifier, float(evidence.logit_scale)
        constants = Constants(weight=_WEIGHT, ridge=self.ridge, shrinkage=self.shrinkage, depth=self.depth)
        labelled = evidence.support_labelled
        guessed = torch.ones(len(labels), dtype=torch.bool) if labelled is None else ~labelled

        def names_alone() -> Prototypes:
            if not bool(guessed.any()):
                return Prototypes.none(text)
            rows, classes = keys[guessed], labels[guessed]
            trust = evidence.derived(
                ("support trust", self.depth),
                lambda: support_trust(text, scale, rows, classes, evidence.pool, self.depth),
            )
            return fit_prototypes(text, scale, rows, classes, evidence.pool, constants, trust)

        terms = evidence.derived(("whitened prototypes", constants), names_alone)
        state = WhitenedPrototypesState(text=text, logit_scale=scale, **vars(terms))
        return self._with_labelled(state, evidence)

    def _with_labelled(self, state: WhitenedPrototypesState, evidence: Evidence) -> WhitenedPrototypesState:
        """Return the state with what images tell that a person labelled, if there are some."""
        from susx.methods.functional.labelled_prototypes import fit_labelled

        labelled = evidence.support_labelled
        if labelled is None or not evidence.has_labelled:
            return state
        keys, labels = evidence.support(self.name)
        base, added = WhitenedPrototypes()._names_alone(state, keys[labelled])
        terms = evidence.derived(
            ("labelled prototypes", self.ridge, self.shrinkage, self.depth),
            lambda: fit_labelled(
                state.text, keys, labels, labelled, evidence.pool, base, added, ridge=self.ridge,
                shrinkage=self.shrinkage,
            ),
        )  # fmt: skip
        if terms is None:
            return state
        return dataclasses.replace(
            state,
            labelled_mean=terms.mean,
            labelled_matrix=terms.matrix,
            labelled_prototypes=terms.prototypes,
            trust=terms.trust,
            stranger=terms.stranger,
            every_class=bool((terms.trust > 0).all()),
        )

    def scores(
        self, state: WhitenedPrototypesState, pooled: Float[Tensor, "query dim"], patches: Tensor | None
    ) -> Float[Tensor, "query classes"]:
        """Return zero-shot logits plus the whitened prototypes minus the bias, told by labels where there are some."""
        from susx.methods.functional.labelled_prototypes import labelled_logits
        from susx.methods.functional.whitened_prototypes import prototype_scores

        base, added = self._names_alone(state, pooled)
        mean, matrix, prototypes = state.labelled_mean, state.labelled_matrix, state.labelled_prototypes
        if mean is None or matrix is None or prototypes is None or state.trust is None:
            return base
        scores = prototype_scores(pooled, mean, matrix, prototypes)
        logits: Tensor = labelled_logits(
            base, added, scores, state.trust, state.stranger, weight=self.weight / _WEIGHT, every_class=state.every_class
        )  # fmt: skip
        return logits

    def _names_alone(
        self, state: WhitenedPrototypesState, pooled: Float[Tensor, "query dim"]
    ) -> tuple[Float[Tensor, "query classes"], Float[Tensor, "query classes"]]:
        """Return the logits without any label, and the term of retrieved images in them."""
        from susx.methods.functional.whitened_prototypes import prototype_scores

        added = prototype_scores(pooled, state.mean, state.matrix, state.prototypes)
        added = (self.weight / _WEIGHT) * added
        prompts = state.logit_scale * (pooled @ state.text.T)
        return prompts + added - self.bias * state.offset, added

    def gives_zero_shot(self, state: WhitenedPrototypesState) -> bool:
        """Whether the images look too little like their classes and no person labelled one, or both weights are 0."""
        return (state.sigma == 0 and state.trust is None) or super().gives_zero_shot(state)

    def why_zero_shot(self, state: WhitenedPrototypesState) -> str:
        """Return that the images look too little like their classes, or that both weights are 0."""
        if state.sigma == 0 and state.trust is None:
            return "the images that the pool offers look too little like their classes"
        return super().why_zero_shot(state)

    def fit_says(self, state: WhitenedPrototypesState) -> str:
        """Return how far images chosen from a pool are trusted; nothing of images that came from none, or all from a person."""
        has_proof = _from_pool(state) and (state.sigma > 0 or state.trust is None)
        return state.trust_sentence if has_proof else ""

    def class_trust(self, state: WhitenedPrototypesState) -> tuple[float, ...]:
        """Return it of images chosen from a pool; of a person's images nothing, as they are believed otherwise."""
        return tuple(state.pool_trust.tolist()) if _from_pool(state) and state.trust is None else ()


def _from_pool(state: WhitenedPrototypesState) -> bool:
    """Whether the images were chosen from a pool: those that came from none are believed whole."""
    return state.share != 1.0 or state.evidence != 1.0
