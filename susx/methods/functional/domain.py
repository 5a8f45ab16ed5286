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

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from susx.methods.functional.pool_selection import selection_scores

__all__ = ["chance_posterior", "domain_evidence", "normal_spread", "ramp", "surrogate_rows"]

_SURROGATES = 32_768
_BLOCK = 4096


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


def chance_posterior(
    text: Float[Tensor, "classes dim"],
    logit_scale: float,
    mean: Float64[Tensor, " dim"],
    covariance: Float64[Tensor, "dim dim"],
    count: int,
    per_class: int,
    seed: int = 0,
    surrogates: Float[Tensor, "rows classes"] | None = None,
    spread: Float[Tensor, "dim dim"] | None = None,
) -> float:
    """Return the mean zero-shot posterior of the ``per_class`` best of ``count`` surrogate images of each class.

    At most 32,768 are drawn. For larger pools the log-odds are continued along sqrt(2 log(count / per_class)), along
    which the extremes of normal values grow: within 0.02 of half a million surrogates on real moments.

    Args:
        text: unit rows of the class prompts.
        logit_scale: of the cosines.
        mean, covariance: of the pool.
        count: rows of the pool.
        per_class: images whose posterior counts.
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
    q = _best(z, per_class)
    part = drawn // 16
    if count <= drawn or part <= per_class:
        return q
    slope = (_log_odds(q) - _log_odds(_best(z[:part], per_class))) / (
        _extreme(drawn, per_class) - _extreme(part, per_class)
    )
    further = _log_odds(q) + max(0.0, slope) * (_extreme(count, per_class) - _extreme(drawn, per_class))
    return 1 / (1 + math.exp(-further))


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


def _best(z: Tensor, per_class: int) -> float:
    """Return the mean posterior of each class's best rows, in float64: what matters is how far it is below 1."""
    rows = selection_scores(z).topk(min(per_class, len(z)), dim=0).indices
    total = 0.0
    for label in range(rows.shape[1]):
        logits = z[rows[:, label]].double()
        total += float((logits[:, label] - logits.logsumexp(dim=1)).exp().sum())
    return total / rows.numel()


def _log_odds(q: float) -> float:
    q = min(max(q, 1e-9), 1 - 1e-9)
    return math.log(q / (1 - q))


def _extreme(count: int, per_class: int) -> float:
    return math.sqrt(2 * math.log(max(count / per_class, 1.0)))
