"""Mixtures of Gaussians over the images of a folder, held near what the class prompts say of each and alike among neighbours.

Zanella et al., TransCLIP (NeurIPS 2024) and StatA (CVPR 2025), with z an image's shares in the classes, y its zero-shot
probabilities, W its neighbours' cosines (k of them) and l the log densities of the Gaussians; one covariance for all classes
needs no determinant, StatA's have it since a correction of its released solver (commit 44553b0, April 2025):

    z_i  ~  y_i^lam exp((l_i + (50 / 2k) sum_j (W_ij + W_ji) z_j) / 50)

five times over, then means and variances again from z. All of it is in float64.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import normalize

__all__ = [
    "NEIGHBOURS",
    "ROUNDS",
    "class_log_densities",
    "confident_means",
    "log_densities",
    "new_shares",
    "stata_shares",
    "transclip_shares",
]

NEIGHBOURS, ROUNDS = 3, 10
_INNER, _SOFTENED, _CONFIDENT = 5, 50.0, 8
"""Of both released solvers: rounds within a round, what log densities are divided by, images that a class's first mean is of."""

_LEAST_VARIANCE = 1e-12  # of a class whose images are one: keeps the densities finite


def log_densities(
    rows: Float64[Tensor, "query dim"],
    means: Float64[Tensor, "classes dim"],
    variances: Float64[Tensor, "*classes dim"],
) -> Float64[Tensor, "query classes"]:
    """Return -1/2 sum_k (x_k - mu_k)^2 / sigma_k as two matrix products, of variances for all classes or for each.

    >>> x, mu = torch.eye(2).double(), torch.zeros(1, 2).double()
    >>> log_densities(x, mu, torch.tensor([0.5, 0.25]).double()).flatten().tolist()
    [-1.0, -2.0]
    """
    inverse = 1 / variances.clamp(min=_LEAST_VARIANCE)
    cross = rows @ (means * inverse).T - (means.square() * inverse).sum(dim=-1) / 2
    squares = rows.square() @ (inverse.T if inverse.ndim == 2 else inverse[:, None])
    return cross - squares / 2


def class_log_densities(
    rows: Float64[Tensor, "query dim"],
    means: Float64[Tensor, "classes dim"],
    variances: Float64[Tensor, "classes dim"],
) -> Float64[Tensor, "query classes"]:
    """Return the log densities of variances for each class, with their determinant and without (2 pi)^(-dim / 2)."""
    volumes = variances.clamp(min=_LEAST_VARIANCE).log().sum(dim=1)
    return log_densities(rows, means, variances) - volumes / 2


def new_shares(
    log_prompts: Float64[Tensor, "query classes"],
    densities: Float64[Tensor, "query classes"],
    graph: Float64[Tensor, "query query"],
    shares: Float64[Tensor, "query classes"],
    smoothing: float,
) -> Float64[Tensor, "query classes"]:
    """Return log z after the inner rounds.

    Args:
        log_prompts: lam log y.
        densities: l.
        graph: W + W^T, sparse.
        shares: z before.
        smoothing: what the neighbours' term is multiplied by.
    """
    fixed = log_prompts + densities / _SOFTENED
    weight = smoothing / (2 * NEIGHBOURS)
    log_shares = shares.log()
    for _ in range(_INNER):
        log_shares = (fixed + weight * torch.sparse.mm(graph, shares)).log_softmax(dim=1)
        shares = log_shares.exp()
    return log_shares


def confident_means(
    rows: Float64[Tensor, "query dim"], shares: Float64[Tensor, "query classes"]
) -> Float64[Tensor, "classes dim"]:
    """Return the unit mean of the images that each class has the largest share in, weighed by it."""
    best = shares.topk(min(_CONFIDENT, len(rows)), dim=0)
    kept = torch.zeros_like(shares).scatter_(0, best.indices, best.values)
    return normalize(kept.T @ rows, eps=1e-300)


def transclip_shares(
    rows: Float[Tensor, "query dim"],
    logits: Float[Tensor, "query classes"],
    graph: Float64[Tensor, "query query"],
    lam: float,
    smoothing: float,
) -> Float64[Tensor, "query classes"]:
    """Return log z of TransCLIP without shots: one diagonal covariance for all classes, means of unit norm.

    Args:
        rows: unit rows.
        logits: zero-shot.
        graph: W + W^T, sparse.
        lam: weight of the prompts.
        smoothing: weight of the neighbours.
    """
    x, log_prompts = rows.double(), logits.double().log_softmax(dim=1)
    squares = x.square().mean(dim=0)
    shares = log_prompts.exp()
    means = confident_means(x, shares)
    variances = x.new_full((x.shape[1],), 1 / x.shape[1])
    log_shares = log_prompts
    for step in range(ROUNDS + 1):
        densities = log_densities(x, means, variances)
        log_shares = new_shares(lam * log_prompts, densities, graph, shares, smoothing)
        if step == ROUNDS:
            break
        shares = log_shares.exp()
        sums = shares.T @ x
        means = normalize(sums, eps=1e-300)
        mass = shares.sum(dim=0)
        variances = squares + (means * (mass[:, None] * means - 2 * sums)).sum(dim=0) / len(x)
    return log_shares


def stata_shares(
    rows: Float[Tensor, "query dim"],
    logits: Float[Tensor, "query classes"],
    text: Float[Tensor, "classes dim"],
    graph: Float64[Tensor, "query query"],
    anchor: float,
    smoothing: float,
) -> Float64[Tensor, "query classes"]:
    """Return log z of StatA: a diagonal covariance for each class; the fewer images a class has, the nearer it stays to its prompt.

    With n_c the images that class c is the first choice of, b = n_c / (anchor + n_c) weighs the images' mean and variance, and
    1 - b the prompt t_c and the variance S0 + (t_c - mu_c)^2, S0 being that of all images around the prompts.

    Args:
        rows: unit rows.
        logits: zero-shot.
        text: unit rows of the class prompts.
        graph: W + W^T, sparse.
        anchor: images that a prompt counts as.
        smoothing: weight of the neighbours.
    """
    x, prompts, log_prompts = rows.double(), text.double(), logits.double().log_softmax(dim=1)
    squares = x.square()
    shares = log_prompts.exp()
    first = _spread(squares, x, shares, prompts).sum(dim=0) / len(x)
    means, variances = prompts, first.expand_as(prompts)
    log_shares = log_prompts
    for step in range(ROUNDS + 1):
        densities = class_log_densities(x, means, variances)
        log_shares = new_shares(log_prompts, densities, graph, shares, smoothing)
        if step == ROUNDS:
            break
        shares = log_shares.exp()
        chosen = torch.bincount(shares.argmax(dim=1), minlength=len(text)).double()
        trust = (chosen / (anchor + chosen + 1e-12))[:, None]
        weighted_means = normalize(shares.T @ x, eps=1e-300)
        means = normalize(trust * weighted_means + (1 - trust) * prompts)
        mass = shares.sum(dim=0)[:, None].clamp(min=1e-300)
        around = _spread(squares, x, shares, means) / mass
        variances = trust * around + (1 - trust) * (first + (prompts - means).square())
    return log_shares


def _spread(
    squares: Float64[Tensor, "query dim"],
    rows: Float64[Tensor, "query dim"],
    shares: Float64[Tensor, "query classes"],
    means: Float64[Tensor, "classes dim"],
) -> Float64[Tensor, "classes dim"]:
    """Return sum_i z_ic (x_i - mu_c)^2 of each class and channel."""
    mass = shares.sum(dim=0)[:, None]
    return (shares.T @ squares - 2 * means * (shares.T @ rows) + mass * means.square()).clamp(min=0)
