"""Does the pool hold the classes at all? The certainty of the chosen images against what chance would choose.

Among many images some look like any class by chance, the more the larger the pool, so the posterior q of the chosen
images says little by itself. Chance is measured on *surrogate* images (Theiler et al., "Testing for nonlinearity in
time series: the method of surrogate data", Physica D 1992): as many rows drawn from the normal distribution with the
pool's own mean and covariance, from which support is chosen in the same way. They have the pool's scale, its spread
in the directions of the prompts and its size, but hold no classes. As for Cohen's kappa the measure is then

    evidence = (q - q_chance) / (1 - q_chance)

0 where the pool holds no more than its first two moments, 1 where every chosen image is certain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from susx.methods.functional.pool_selection import selection_scores

__all__ = ["Chance", "chosen_by_chance", "domain_evidence", "normal_spread", "ramp", "surrogate_rows"]

_SURROGATES = 32_768
_BLOCK = 4096
_BLOCK_NUMBERS = 1_000_000


def domain_evidence(posterior: float, chance: float) -> float:
    """Return (q - q_chance) / (1 - q_chance).

    >>> domain_evidence(0.4, 0.2)
    0.25
    """
    return (posterior - chance) / max(1 - chance, 1e-6)


def ramp(value: float, start: float, width: float) -> float:
    """Return 0 up to ``start``, 1 from ``start + width``, linear between.

    >>> [ramp(v, 1.0, 2.0) for v in (0.0, 2.0, 9.0)]
    [0.0, 0.5, 1.0]
    """
    return min(1.0, max(0.0, (value - start) / width))


@dataclass(frozen=True)
class Chance:
    """What images chosen from surrogates have.

    Attributes:
        posterior: their mean zero-shot probability of the class that they were chosen for.
        excess: how far their scaled cosine with its prompt lies above the mean over all surrogates.
    """

    posterior: float
    excess: float


def chosen_by_chance(
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    mean: Float64[Tensor, " dim"],
    covariance: Float64[Tensor, "dim dim"],
    count: int,
    per_class: int,
    seed: int = 0,
    surrogates: Float[Tensor, "rows classes"] | None = None,
    spread: Float[Tensor, "dim dim"] | None = None,
) -> Chance:
    """Return what the ``per_class`` best of ``count`` surrogate images of each class have on average.

    At most 32,768 are drawn. For larger pools the log-odds of the posterior and the excess are continued along
    sqrt(2 log(count / per_class)), along which the extremes of normal values grow: the posterior is within 0.02 of that of
    half a million surrogates on real moments.

    Args:
        text: unit rows of the class prompts.
        logit_scale: of the cosines.
        mean, covariance: of the pool.
        count: rows of the pool.
        per_class: images that count.
        seed: of the surrogates; they do not depend on the classes.
        surrogates: their scaled cosines with these prompts, where they were worked out before (``surrogate_rows``).
        spread: of the pool (``normal_spread``), where it was worked out before.
    """
    z = surrogates
    if z is None:
        spread = normal_spread(covariance) if spread is None else spread
        drawn_rows = surrogate_rows(mean, spread, max(count, per_class), seed)
        z = torch.cat([logit_scale * (rows @ text.float().T) for rows in drawn_rows])
    drawn = len(z)
    whole = _best(z, per_class)
    part = drawn // 16
    if count <= drawn or part <= per_class:
        return whole
    small, places = _best(z[:part], per_class), [_extreme(n, per_class) for n in (part, drawn, count)]
    further = _continued(places, _log_odds(small.posterior), _log_odds(whole.posterior))
    return Chance(1 / (1 + math.exp(-further)), _continued(places, small.excess, whole.excess))


def normal_spread(covariance: Float64[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """Return what turns rows of independent normal numbers into rows of this covariance."""
    values, vectors = torch.linalg.eigh(covariance.double())
    spread: Tensor = (vectors * values.clamp(min=0).sqrt()).T.float()
    return spread


def surrogate_rows(
    mean: Float64[Tensor, " dim"], spread: Float[Tensor, "dim dim"], count: int, seed: int = 0
) -> Iterator[Float[Tensor, "rows dim"]]:
    """Yield unit rows of the normal distribution of a mean and a spread, ``count`` of them but at most 32,768, in blocks."""
    drawn = min(count, _SURROGATES)
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, drawn, _BLOCK):
        normal = torch.randn(min(_BLOCK, drawn - start), len(mean), generator=generator)
        yield torch.nn.functional.normalize(normal @ spread + mean.float())


def _best(z: Tensor, per_class: int) -> Chance:
    """Return what each class's best rows have, in float64: what matters of a posterior is how far it is below 1."""
    rows = selection_scores(z).topk(min(per_class, len(z)), dim=0).indices
    excess = float((z.gather(0, rows).double() - z.double().mean(dim=0)).mean())
    classes, total = rows.shape[1], 0.0
    step = max(1, _BLOCK_NUMBERS // rows.numel())
    for start in range(0, classes, step):
        part = rows[:, start : start + step]
        logits = z[part].double()
        column = torch.arange(start, start + part.shape[1], device=z.device).expand(part.shape)
        certain = logits.gather(2, column[:, :, None])[:, :, 0] - logits.logsumexp(dim=2)
        total += float(certain.exp().sum())
    return Chance(total / rows.numel(), excess)


def _continued(places: list[float], at_part: float, at_drawn: float) -> float:
    """Return the value at the third place on the line through those at the first two, never below the second."""
    slope = (at_drawn - at_part) / (places[1] - places[0])
    return at_drawn + max(0.0, slope) * (places[2] - places[1])


def _log_odds(q: float) -> float:
    q = min(max(q, 1e-9), 1 - 1e-9)
    return math.log(q / (1 - q))


def _extreme(count: int, per_class: int) -> float:
    return math.sqrt(2 * math.log(max(count / per_class, 1.0)))
