"""Prototypes of images that a person labelled, beside the classifier that names alone give.

With ``base`` the logits without them, g p~.x its term of retrieved images, and lambda_c the trust in the mean of a class's
labelled images (``label_trust``), each class goes from the one term to the other as its labelled images grow in number:

    told_c = base_c + lambda_c (GAIN s_c - g p~_c.x)      s_c = x'.p_c,  x' whitened by the labelled images
    p_c = normalise(normalise(h_c) + normalise(u_c))      u class means, h their ``text_map``

No evidence of a pool enters lambda: it says how far guesses are believed, and these are none.

Where only some classes have labelled images, their scores have no counterpart in the other classes'. By the chain rule of
probabilities labels then say which class *among the labelled*, and one number says how far it is one of them at all: with r
the softmax of ``told`` over the labelled classes, and lse the logsumexp over them,

    logits_c = told_c - lse(told) + lse(base) + GROUP sum_j r_j lambda_j (s_j - stranger)     for labelled c, else base_c

``stranger`` is the score that an image of none of the labelled classes gets: measured on each labelled image with its own class
left out. (A boost of labelled classes alone gave them nearly all images, the "seen" classes of Chao et al., ECCV 2016.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from susx.methods.functional.class_means import class_means
from susx.methods.functional.label_trust import noise_ratio, trust_in_means
from susx.methods.functional.labelled_logits import GAIN, GROUP, labelled_logits
from susx.methods.functional.text_map import text_map
from susx.methods.functional.whitening import (
    Whitening,
    covariance,
    whitening,
    within_class_covariance,
)
from susx.methods.pool_statistics import PoolStatistics

__all__ = ["GAIN", "GROUP", "LabelledPrototypes", "fit_labelled", "labelled_logits"]

_SHRINKAGE = 5.0
"""Times the shrinkage of the covariance of retrieved images, as few images bound the labelled ones'; chosen like ``GAIN``."""

_LONE_STRANGER = 0.5
"""``stranger`` of one labelled class, halfway to its own images' score; it counts as one class beside those measured."""


@dataclass(frozen=True)
class LabelledPrototypes:
    """What labelled images add.

    Attributes:
        mean, matrix: the whitening.
        prototypes: p, one unit row per class.
        trust: lambda, 0 for a class without labelled images.
        stranger: score of an image of none of the labelled classes.
        ratio: k, variance within classes over that between them which the prompts do not tell.
    """

    mean: Float[Tensor, " dim"]
    matrix: Float[Tensor, "dim dim"]
    prototypes: Float[Tensor, "classes dim"]
    trust: Float[Tensor, " classes"]
    stranger: float
    ratio: float


def fit_labelled(
    text: Float[Tensor, "classes dim"],
    support: Float[Tensor, "support dim"],
    labels: Int64[Tensor, " support"],
    labelled: Bool[Tensor, " support"],
    pool: PoolStatistics | None,
    base: Float[Tensor, "labelled classes"],
    added: Float[Tensor, "labelled classes"],
    *,
    ridge: float = 1.0,
    shrinkage: float = 0.1,
) -> LabelledPrototypes | None:
    """Return the terms of labelled images; None where they tell nothing (of one class, with no other image to tell it from).

    Args:
        text: unit rows of the class prompts.
        support, labels: all support images and their classes.
        labelled: which of them a person labelled; at least one.
        pool: the pool that the others were chosen from, for its moments.
        base, added: logits of the labelled images without labels, and the term of retrieved images in them.
        ridge: strength of the text map's penalty.
        shrinkage: of the covariance of retrieved images; that of labelled ones is five times it.
    """
    if pool is None and bool((labels == labels[0]).all()):
        return None
    rows, row_labels = support[labelled].double(), labels[labelled]
    counts = torch.bincount(row_labels, minlength=len(text))
    seen = counts > 0
    whiten = _whitening(support.double(), labels, labelled, len(text), pool, shrinkage)
    whitened = whiten(rows)
    means = class_means(whitened, row_labels, torch.ones(len(rows), dtype=torch.float64), len(text))
    mapped = text_map(text, means, seen, ridge)
    prototypes = normalize(normalize(mapped) + normalize(means))
    ratio = noise_ratio(text, rows, row_labels, ridge)
    trust = trust_in_means(counts, ratio)
    stranger = _stranger(whitened @ prototypes.T, base.double(), added.double(), row_labels, trust)
    return LabelledPrototypes(
        whiten.mean.float(), whiten.matrix.float(), prototypes.float(), trust.float(), stranger, ratio
    )


def _whitening(
    rows: Tensor,
    labels: Tensor,
    labelled: Tensor,
    classes: int,
    pool: PoolStatistics | None,
    shrinkage: float,
) -> Whitening:
    """Return the whitening by the labelled images' covariance within classes and, one part in n of n a class, that of all images.

    Its centre is the mean of the class means, a class without labelled images having that of its others, the pool one more class.
    """
    ones = torch.ones(len(rows), dtype=torch.float64)
    means = class_means(rows, labels, ones, classes)
    row_labels, counts = labels[labelled], torch.bincount(labels[labelled], minlength=classes)
    means = torch.where(
        (counts > 0)[:, None], class_means(rows[labelled], row_labels, ones[labelled], classes), means
    )
    centres = [*means[torch.bincount(labels, minlength=classes) > 0], *([] if pool is None else [pool.mean])]
    of_all = covariance(rows) if pool is None else pool.covariance
    share = int((counts > 0).sum()) / len(row_labels)
    apart = within_class_covariance(rows[labelled], row_labels) + share * of_all
    return whitening(torch.stack(centres).mean(dim=0), apart, _SHRINKAGE * shrinkage)


def _stranger(scores: Tensor, base: Tensor, added: Tensor, row_labels: Tensor, trust: Tensor) -> float:
    """Return what labelled images score with their own class left out, on average over their classes."""
    others = (trust > 0) & (torch.arange(len(trust)) != row_labels[:, None])
    if not bool(others.any()):
        return _LONE_STRANGER
    told = torch.where(others, base + trust * (GAIN * scores - added), -torch.inf)
    score = (told.softmax(dim=1) * torch.where(others, scores, 0.0)).sum(dim=1)
    classes = int((trust > 0).sum())
    return (float(score.mean()) * (classes - 1) + _LONE_STRANGER) / classes
