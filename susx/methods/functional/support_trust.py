"""How far images that nobody labelled are trusted beside the prompts: one rule for every method that uses them.

The prompts' posterior q of the chosen images is set between what chance would choose (``domain``) and what real images of
the classes would reach (``expected_certainty``):

    share = (q - q_chance) / max(q_expected - q_chance, 0.15) - 1.2 / sqrt(images)

Pets shows why both ends matter. Of 16 breeds with strong prompts any dog is sure, so that a pool of other dogs has q of
0.76 and, set between chance and 1, more evidence than textures in a pool of textures; real images would have 0.96.

Certainty compares the asked classes with each other, and cannot see that an image shows none of them. The cosine with the
image's own prompt can: an image of another breed lies less far along. It is set against chance as well,

    lift = excess of the chosen images / excess of images that chance would choose

with the excess the mean of z of their class above the mean of all images of the pool. Then

    sigma = ramp(share, 0.10 + 0.80 e, 0.25) ramp(evidence, 0.05, 0.1)               of everything that the images add
    rho   = ramp(share + 8 e (lift - 1.55), 0.60, 0.40) ramp(evidence, 0.05, 0.1)    of that, what rests on the images being of their class
    votes = min(rho, ramp(share, 0.60 + 0.35 e, 0.40) ramp(evidence, 0.05, 0.1))     of images that vote one by one

with e = max(0, q_expected - 1/2). Where the prompts are sure of themselves there is little to gain and as much to lose, so
that more proof is asked for, and certainty is no proof: there the lift decides. Few images prove little: their certainty is one draw, and the few best of a pool are surer than its images are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from susx.methods.functional.domain import chosen_by_chance, domain_evidence, normal_spread, ramp
from susx.methods.functional.expected_certainty import expected_certainty
from susx.methods.functional.pool_selection import class_ranks, selection_scores
from susx.methods.pool_statistics import PoolStatistics

__all__ = ["SupportTrust", "support_trust", "trust_sentence"]

# Chosen on the bed's choosing half (docs/methods/when-support-images-hurt.md).
_SIGMA = (0.1, 0.8, 0.25)
_RHO = (0.6, 0.0, 0.4)
_VOTES = (0.6, 0.35, 0.4)
"""Where a ramp starts, how much later for each unit of e, and its width."""
_LIFT = (8.0, 1.55)
"""What a unit of lift is worth for each unit of e, and the lift that changes nothing."""
_EVIDENCE = (0.05, 0.1)
_FEW_IMAGES = 1.2
_LEAST_RANGE = 0.15
"""With few classes chance and what is expected lie so near each other that their difference is noise."""
_UNSURE = 0.5


@dataclass(frozen=True)
class SupportTrust:
    """What follows from the certainty of the chosen images.

    Attributes:
        evidence: certainty above chance, where 1 is every image certain.
        share: certainty above chance, where 1 is what real images would have, less what so few images may have by chance; it may
            be below 0, and above 1.
        expected: the certainty that real images would have.
        lift: how many times as far above the pool's mean the cosines with their own prompts lie as chance would have them.
        sigma: of everything that the images add, in [0, 1].
        rho: of that, what rests on the images being of their class, in [0, 1]; 0 where sigma is.
        votes: rho of methods in which each image votes by itself: no text map mends its class. Lift and share must both prove it.
        classes: how far each class's own images look like real ones, times sigma; 0 for a class without images.
    """

    evidence: float
    share: float
    expected: float
    lift: float
    sigma: float
    rho: float
    votes: float
    classes: Float[Tensor, " classes"]


def support_trust(
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    support: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    pool: PoolStatistics | None,
    depth: int = 16,
    surrogates: Float[Tensor, "rows classes"] | None = None,
    spread: Float[Tensor, "dim dim"] | None = None,
) -> SupportTrust:
    """Return the trust in images chosen from a pool. Images that came from no pool (generated) are believed.

    Args:
        text: unit rows of the class prompts.
        logit_scale: of the cosines.
        support, labels: unit rows and their classes, at least one.
        pool: what they were chosen from.
        depth: images of a class that count; the best depth / 2 of them are looked at, all of a class that has no more.
        surrogates: of the pool, with these prompts, where they were worked out before (``chosen_by_chance``).
        spread: of the pool (``normal_spread``), likewise.
    """
    counts = torch.bincount(labels, minlength=len(text))
    if pool is None:
        return SupportTrust(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, (counts > 0).float())
    z = logit_scale * (support.double() @ text.double().T)
    # The best of few images are surer than the better half of many: chance is asked for as many.
    typical = int(counts[counts > 0].double().quantile(0.5))
    better = max(1, min(depth // 2, typical))
    class_column = labels[:, None]
    best = class_ranks(selection_scores(z).gather(1, class_column)[:, 0], labels) < better
    certain = z.softmax(dim=1).gather(1, class_column)[:, 0]
    posterior = float(certain[best].mean())
    spread = normal_spread(pool.covariance) if spread is None else spread
    by_chance = chosen_by_chance(
        text,
        logit_scale,
        pool.mean,
        pool.covariance,
        pool.count,
        better,
        surrogates=surrogates,
        spread=spread,
    )
    chance = by_chance.posterior
    expected = expected_certainty(text, logit_scale, pool.covariance, spread=spread)
    # Chance may come near what is expected of real images, or near 1, which no image exceeds.
    span = max(min(max(expected - chance, _LEAST_RANGE), 1 - chance), 1e-6)
    share = (posterior - chance) / span - _FEW_IMAGES / math.sqrt(len(labels))
    evidence = domain_evidence(posterior, chance)
    held, sure = ramp(evidence, *_EVIDENCE), max(0.0, expected - _UNSURE)

    def of_classes(values: Tensor) -> Tensor:
        sums = torch.zeros(len(text), dtype=torch.float64).index_add_(0, labels[best], values[best])
        return sums / torch.bincount(labels[best], minlength=len(text)).clamp(min=1)

    seen = counts > 0
    level = logit_scale * (text.double() @ pool.mean)
    excess = float((of_classes(z.gather(1, class_column)[:, 0]) - level)[seen].mean())
    lift = excess / by_chance.excess if by_chance.excess > 1e-6 else 0.0
    worth, neutral = _LIFT

    def amount(proof: float, start: float, later: float, width: float) -> float:
        return held * ramp(proof, start + later * sure, width)

    sigma = amount(share, *_SIGMA)
    rho = amount(share + worth * sure * (lift - neutral), *_RHO) if sigma else 0.0
    votes = min(rho, amount(share, *_VOTES))
    shares = ((of_classes(certain) - chance) / span).clamp(0, 1) * seen
    return SupportTrust(evidence, share, expected, lift, sigma, rho, votes, (sigma * shares).float())


def trust_sentence(sigma: float, share: float) -> str:
    """Return in one sentence how far the support images are trusted, and why.

    >>> trust_sentence(0.0, 0.12)
    'The support images are not used: they look like their classes only 12 % as much as real images would.'
    """
    likeness = f"they look like their classes {'only ' if share < 1 else ''}{100 * max(share, 0):.0f} % as much as real images would"
    if sigma == 0:
        return f"The support images are not used: {likeness}."
    if sigma < 1:
        return f"The support images count {100 * sigma:.0f} %: {likeness}."
    return f"The support images are trusted: they look like their classes {100 * min(share, 1):.0f} % as much as real images would."
