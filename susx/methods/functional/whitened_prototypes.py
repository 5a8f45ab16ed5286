"""Whitened prototypes: class means of whitened support images, shared along the prompts, corrected for hubs.

    logits = z - b + g x~.p          z = s f.T,  x~ = whitened image (``whitening``)
    b = sigma (k rho b_prior + 3/4 d (1 - rho) A b_near)     (``prompt_prior``, ``hubness``)
    p_c = normalise(normalise(h_c) + rho_c normalise(u_c))   u class means (``class_means``), h their ``text_map``
    g = weight k sigma (1 + trust rho_mean)                  rho_mean the mean of rho_c over the classes with images

sigma and rho_c rest on one name-only number, ``support_trust``: how sure the prompts are of the chosen images, between
chance and real images of the classes. sigma switches everything beyond zero-shot off where the images look
little like real ones, rho_c says how far a class's own images are trusted beside the map, less so the fewer there are: it grows with
their number up to ``depth``. k = n / (n + 2) of a class's n images, 1 at ``depth``, is how far their mean is settled, averaged over the classes.
d = min(1, 4 (1 - q_expected)) is 0 where prompts are sure of real images: there a class's near images tell that it is well drawn, not a hub.

Fitted twice: images are first weighted by their rank under the prompts, then by their rank and posterior under the
classifier so fitted (self-training, Scudder 1965), its new term multiplied by rho.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from susx.methods.functional.class_means import class_means, rank_weights
from susx.methods.functional.hubness import hubness_bias
from susx.methods.functional.pool_selection import selection_scores
from susx.methods.functional.prompt_prior import prompt_prior
from susx.methods.functional.support_trust import SupportTrust, support_trust
from susx.methods.functional.text_map import text_map
from susx.methods.functional.whitening import (
    Whitening,
    covariance,
    whitening,
    within_class_covariance,
)
from susx.methods.pool_statistics import PoolStatistics

__all__ = ["Constants", "Prototypes", "fit_prototypes", "prototype_scores"]


@dataclass(frozen=True)
class Constants:
    """The constants, the same for all data sets. All were chosen on the swapped splits (see the study in the docs).

    Attributes:
        weight: g where the images are not trusted beyond the text map (rho = 0).
        trust: g grows by this share of itself with rho.
        bias: multiplies b.
        ridge: strength of the text map's penalty.
        shrinkage: of the covariance.
        depth: images of a class that count.
        decay, power: of the weights of images.
    """

    weight: float = 4.5
    trust: float = 1.7
    bias: float = 1.0
    ridge: float = 1.0
    shrinkage: float = 0.1
    depth: int = 16
    decay: float = 4.0
    power: float = 0.5


# Of the level of the pool's nearest images where the posteriors of the chosen ones are not to be relied on.
_NEAR = 0.75
_DOUBT = 0.25
_SETTLED = 2.0


@dataclass(frozen=True)
class Prototypes:
    """What is added to zero-shot.

    Attributes:
        mean, matrix: of the whitening.
        prototypes: g p, one row per class.
        offset: b.
        evidence, share, sigma, rho: how far the pool holds the classes, and what follows from it (``support_trust``); rho
            is the mean over the classes with images.
        pool_trust: how far each class's images are trusted.
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

    @classmethod
    def none(cls, text: Float[Tensor, "classes dim"]) -> Prototypes:
        """Return terms that add nothing: those of no image."""
        dim = text.shape[1]
        zeros = torch.zeros(len(text))
        return cls(
            torch.zeros(dim), torch.eye(dim), torch.zeros(len(text), dim), zeros, 0.0, 0.0, 0.0, 0.0, zeros
        )


def prototype_scores(
    pooled: Float[Tensor, "query dim"],
    mean: Float[Tensor, " dim"],
    matrix: Float[Tensor, "dim dim"],
    prototypes: Float[Tensor, "classes dim"],
) -> Float[Tensor, "query classes"]:
    """Return g x~.p: two products."""
    scores: Tensor = Whitening(mean, matrix)(pooled) @ prototypes.T
    return scores


def fit_prototypes(
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    support: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    pool: PoolStatistics | None,
    constants: Constants,
    trust: SupportTrust | None = None,
) -> Prototypes:
    """Return the terms that support images and pool add to zero-shot.

    Without a pool (images generated) the covariance of the support stands in for the pool's, there is
    no bias, and the images, not having been chosen from many, are believed.

    Args:
        text: unit rows of the class prompts.
        logit_scale: s.
        support, labels: unit rows and their classes, at least one; a class may have none.
        pool: the pool that the support was chosen from.
        constants: see there.
        trust: in these images, where it was worked out before.
    """
    text64, rows = text.double(), support.double()
    z = logit_scale * (rows @ text64.T)
    counts = torch.bincount(labels, minlength=len(text))
    has_images = counts > 0
    if trust is None:
        trust = support_trust(text, logit_scale, support, labels, pool, constants.depth)
    sigma, trusted = trust.sigma, trust.rho * (counts / constants.depth).clamp(max=1)
    rho = float(trusted[has_images].mean())
    settled = _settled(counts[has_images], constants.depth)
    offset = torch.zeros(len(text), dtype=torch.float64)
    if pool is not None:
        doubt = min(1.0, (1 - trust.expected) / _DOUBT)
        near = _NEAR * doubt * (1 - trust.rho) * hubness_bias(pool.nearest, pool.is_best)
        offset = constants.bias * sigma * (settled * trust.rho * prompt_prior(z, labels) + near)
    whiten = _whitening(rows, labels, has_images, pool, constants)
    whitened = whiten(rows)

    def prototypes(weights: Tensor) -> Tensor:
        means = class_means(whitened, labels, weights, len(text))
        mapped = normalize(text_map(text64, means, has_images, constants.ridge))
        gain = constants.weight * settled * sigma * (1 + constants.trust * rho)
        return gain * normalize(mapped + trusted[:, None] * normalize(means))

    first = prototypes(_weights(z, labels, constants))
    fitted = prototypes(_weights(z - offset + rho * (whitened @ first.T), labels, constants))
    return Prototypes(
        whiten.mean.float(), whiten.matrix.float(), fitted.float(), offset.float(), trust.evidence, trust.share,
        sigma, rho, trust.classes,
    )  # fmt: skip


def _settled(counts: Int64[Tensor, " classes"], depth: int) -> float:
    """Return k: how far means of so many images are settled, 1 from ``depth`` images a class."""
    return float((counts / (counts + _SETTLED) * (depth + _SETTLED) / depth).clamp(max=1).mean())


def _weights(logits: Tensor, labels: Tensor, constants: Constants) -> Tensor:
    """Return the weights of the images when these logits rank them."""
    class_column = labels[:, None]
    scores = selection_scores(logits).gather(1, class_column)[:, 0]
    posterior = logits.softmax(dim=1).gather(1, class_column)[:, 0]
    return rank_weights(scores, posterior, labels, constants.depth, constants.decay, constants.power)


def _whitening(
    rows: Tensor, labels: Tensor, has_images: Tensor, pool: PoolStatistics | None, constants: Constants
) -> Whitening:
    """Return the whitening around the mean of the class means, so that no class counts for its number of images."""
    means = class_means(rows, labels, torch.ones(len(rows), dtype=torch.float64), len(has_images))
    within = within_class_covariance(rows, labels)
    apart = (within + (covariance(rows) if pool is None else pool.covariance)) / 2
    return whitening(means[has_images].mean(dim=0), apart, constants.shrinkage)
