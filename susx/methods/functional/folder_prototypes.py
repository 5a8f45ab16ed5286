"""Folder prototypes: a whole folder of images labelled at once, closed form, beside the inductive whitened prototypes.

The inductive fit (``whitened_prototypes``) gives z - offset + g x~.p for one image. The folder's own images then say
where its classes lie. Eight times, from the soft labels q = softmax(l) of the round before and v = w q (w ``insiders``),

    A_c = 4 r p_c + sum_i v_ic x~_i               class sums, the inductive prototype as four images
    f_ic = x~_i.A_c(-i) / |A_c(-i)|               A_c(-i) without the image itself: none votes for itself
    l = z - offset + g f + shares(n_c(-i))        n_c = sum_i v_ic, ``class_shares``

x~ is whitened around the folder's own centre, (8 m + sum_c n_c / (n_c + 4) mu_c) / (8 + sum_c n_c / (n_c + 4)), since a
folder is a domain of its own; r^2 is the leave-one-out cosine within classes. Probabilities are softmax(l / 1.4).

A corrected image counts as four in A_c of its class, and how far the fit was from the person's answer spreads to the
images that look like it: sum_j max(x~_i.x~_j - r^2, 0) (onehot_j - q_j), weight 5 min(1, answers / classes).

Images of one group count as one. Rows are sorted first, so that the order of the images changes no bit of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn.functional import normalize

from susx.errors import InputError, MismatchError
from susx.methods.functional.class_shares import class_shares
from susx.methods.functional.insiders import (
    Surrogates,
    insider_weights,
    spread_over_features,
    surrogate_rows,
)
from susx.methods.functional.labelled_prototypes import labelled_logits
from susx.methods.functional.whitening import Whitening, covariance, whitening

__all__ = [
    "NONE_OF_THESE",
    "UNSAID",
    "FolderLabels",
    "InductiveFit",
    "LabelledFit",
    "inductive_from_folder",
    "label_folder",
]

UNSAID = -1
"""Correction of an image of which nobody said anything."""
NONE_OF_THESE = -2
"""Correction of an image of which a person said that it shows none of the classes."""

ROUNDS = 8
TEMPERATURE = 1.4
_PRIOR_IMAGES = 4.0
_CENTRE_IMAGES = 8.0
_CORRECTED_IMAGES = 4.0
_SPREAD = 5.0
_LEAST_WEIGHT = 6.0
_SHRINKAGE = 0.1
_OWN_SHRINKAGE = 1.0
# One block of query x classes numbers holds 2 MB, and stays in a core's cache while a round passes over it.
_BLOCK_NUMBERS = 500_000


@dataclass(frozen=True)
class InductiveFit:
    """What an inductive fit of whitened prototypes knows.

    Attributes:
        text: one unit row per class.
        logit_scale: of the cosines.
        mean, matrix: the whitening.
        prototypes: g p, one row per class.
        offset: hubness bias of each class.
        pool_mean, pool_covariance: moments of images of any kind, the pool's or the folder's own.
        pool_is_folder: they are the folder's own, which say nothing of what lies outside the classes.
    """

    text: Float[Tensor, "classes dim"]
    logit_scale: float
    mean: Float[Tensor, " dim"]
    matrix: Float[Tensor, "dim dim"]
    prototypes: Float[Tensor, "classes dim"]
    offset: Float[Tensor, " classes"]
    pool_mean: Float64[Tensor, " dim"]
    pool_covariance: Float64[Tensor, "dim dim"]
    pool_is_folder: bool = False

    def added(self, rows: Float[Tensor, "query dim"]) -> Float[Tensor, "query classes"]:
        """Return g x~.p, which the folder's own images take the place of."""
        whitened = normalize((rows - self.mean.float()) @ self.matrix.float())
        return whitened @ self.prototypes.T

    def kept(self, rows: Float[Tensor, "query dim"]) -> Float[Tensor, "query classes"]:
        """Return what stays of the inductive logits of unit rows, whatever the folder shows: z - offset."""
        return self.logit_scale * (rows @ self.text.T.float()) - self.offset.float()

    def logits(self, rows: Float[Tensor, "query dim"]) -> Float[Tensor, "query classes"]:
        """Return the inductive logits of unit rows."""
        return self.kept(rows) + self.added(rows)


@dataclass(frozen=True)
class LabelledFit(InductiveFit):
    """An inductive fit with images that a person labelled, other ones than the folder's (``labelled_prototypes``).

    What they say stays through all rounds: it rests on labels, the folder's own images on guesses.

    Attributes:
        labelled_mean, labelled_matrix, labelled_prototypes, trust, stranger: of these images.
        every_class: whether all classes have such images.
    """

    labelled_mean: Float[Tensor, " dim"] = field(kw_only=True)
    labelled_matrix: Float[Tensor, "dim dim"] = field(kw_only=True)
    labelled_prototypes: Float[Tensor, "classes dim"] = field(kw_only=True)
    trust: Float[Tensor, " classes"] = field(kw_only=True)
    stranger: float = field(kw_only=True)
    every_class: bool = field(kw_only=True)

    def kept(self, rows: Float[Tensor, "query dim"]) -> Float[Tensor, "query classes"]:
        """Return z - offset and the say of the labelled images."""
        added = self.added(rows)
        scores = Whitening(self.labelled_mean, self.labelled_matrix)(rows) @ self.labelled_prototypes.T
        base = super().kept(rows) + added
        return (
            labelled_logits(base, added, scores, self.trust, self.stranger, every_class=self.every_class)
            - added
        )


@dataclass(frozen=True)
class FolderLabels:
    """A labelled folder.

    Attributes:
        logits: one row per image, from all *other* images of the folder (and all answers but its own).
        probabilities: softmax(logits / 1.4).
        none_of_these: in [0, 1], how far an image looks like none of the classes.
        shares: of the classes among the images that show one; sums to 1 (even where no image does).
        corrections: what a person said of each image, ``UNSAID`` where nothing.
        mean, matrix: the whitening around the folder's own centre, in which its images are compared.
    """

    logits: Float[Tensor, "query classes"]
    probabilities: Float[Tensor, "query classes"]
    none_of_these: Float[Tensor, " query"]
    shares: Float[Tensor, " classes"]
    corrections: Int64[Tensor, " query"]
    mean: Float[Tensor, " dim"]
    matrix: Float[Tensor, "dim dim"]

    @property
    def labels(self) -> Int64[Tensor, " query"]:
        """Class of each image: what a person said, else the most probable one. ``NONE_OF_THESE`` only where said."""
        best = self.probabilities.argmax(dim=1)
        return torch.where(self.corrections == UNSAID, best, self.corrections)


def label_folder(
    inductive: InductiveFit,
    rows: Float[Tensor, "query dim"],
    *,
    corrections: Int64[Tensor, " _"] | None = None,
    groups: Int64[Tensor, " _"] | None = None,
    block_rows: int | None = None,
) -> FolderLabels:
    """Label the images of a folder together.

    Args:
        inductive: what is known without the folder.
        rows: unit rows, of one encoder with the prompts.
        corrections: the class that a person gave, ``UNSAID`` or ``NONE_OF_THESE``; None for no answers.
        groups: near-duplicates share a number (any), and count as one image. Equal rows always do.
        block_rows: images computed at a time; bounds memory and changes no more than rounding.

    Raises:
        MismatchError: rows of another width than the prompts, corrections or groups of another length.
        InputError: a correction that is no class.
    """
    answers = torch.full((len(rows),), UNSAID) if corrections is None else corrections
    _check(inductive, rows, answers, groups)
    if not len(rows):
        empty = rows.new_zeros((0, len(inductive.text)))
        even = torch.full((len(inductive.text),), 1 / len(inductive.text))
        whitening = inductive.mean.float(), inductive.matrix.float()
        return FolderLabels(empty, empty, rows.new_zeros(0), even, answers, *whitening)
    unit = normalize(rows.float())
    place_of = _places(unit, groups)
    images, answered = _one_per_place(unit, place_of, answers)
    step = block_rows or max(128, _BLOCK_NUMBERS // len(inductive.text))
    fit = _Folder(inductive, images, answered, step)
    logits = fit.logits()[place_of]
    probabilities = torch.empty_like(logits)
    for block in (slice(at, at + step) for at in range(0, len(rows), step)):
        probabilities[block] = (logits[block] / TEMPERATURE).softmax(dim=1)
    counts = fit.counts.clamp(min=0) + 1e-12
    return FolderLabels(
        logits,
        probabilities,
        1 - fit.inside[place_of],
        counts / counts.sum(),
        answers,
        fit.centre,
        fit.matrix,
    )


class _Folder:
    """The rounds over images that each stand for one group."""

    def __init__(self, inductive: InductiveFit, images: Tensor, said: Tensor, step: int) -> None:
        self.blocks = [slice(at, at + step) for at in range(0, len(images), step)]
        self.said, self.answered = said, (said >= 0).nonzero()[:, 0]
        self.weight = inductive.prototypes.float().norm(dim=1)
        fit = _whitened_for(inductive, images, float(self.weight.mean()))
        self.images, self.matrix = images, fit.matrix.float()
        self.projected = images @ self.matrix
        self.mean = fit.mean.float()
        self.weight = self.weight.clamp(min=_LEAST_WEIGHT)
        self.direction = inductive.prototypes.float() / self.weight.clamp(min=1e-6)[:, None]
        self.prompts = inductive.kept(images)
        self.centre = self.mean
        self.shift = self.centre @ self.matrix
        self.soft = torch.empty_like(self.prompts)
        for block in self.blocks:
            self.soft[block] = inductive.logits(images[block])
        surrogates = surrogate_rows(inductive.pool_mean, inductive.pool_covariance)
        outside = inductive.logits(surrogates).amax(dim=1)
        outer = Surrogates(float(outside.mean()), float(outside.std()))
        self.inside = insider_weights(self.soft.amax(dim=1), outer)
        self.inside[said >= 0] = 1.0
        self.inside[said == NONE_OF_THESE] = 0.0
        self.inside = spread_over_features(images, self.inside)
        self.trusted = torch.ones_like(self.inside) if inductive.pool_is_folder else self.inside.clone()
        self.trusted[said == NONE_OF_THESE] = 0.0
        self.inside[said >= 0] = 1.0
        self.inside[said == NONE_OF_THESE] = 0.0

    def logits(self) -> Tensor:
        """Return the logits of the last round; ``counts`` are those of its soft labels."""
        values = self.soft
        for _ in range(ROUNDS):
            answered = values[self.answered].softmax(dim=1)
            self._soften(values)
            values = self._round(answered)
        del self.prompts
        final = values.clone()
        self._soften(values)
        del self.soft
        return final

    def _whitened(self, block: slice | Tensor) -> Tensor:
        rows = self.projected[block] - self.shift
        return rows.div_(rows.norm(dim=1, keepdim=True).clamp_(min=1e-12))

    def _soften(self, logits: Tensor) -> None:
        """Turn logits into v = w q in place, and count."""
        for block in self.blocks:
            part = logits[block].softmax(dim=1)
            logits[block] = part.mul_(self.trusted[block, None])
        logits[self.answered] = 0.0
        logits[self.answered, self.said[self.answered]] = _CORRECTED_IMAGES
        self.counts = logits.double().sum(dim=0).float()

    def _round(self, answered: Tensor) -> Tensor:
        """Return the next logits, written over the soft labels."""
        soft, classes = self.soft, self.soft.shape[1]
        trust = self.counts / (self.counts + _PRIOR_IMAGES)
        share = soft @ (1 / (self.counts + _PRIOR_IMAGES))
        total = _CENTRE_IMAGES + float(trust.sum())
        self.centre = (_CENTRE_IMAGES * self.mean + share @ self.images) / total
        self.shift = self.centre @ self.matrix
        sums, squares = torch.zeros_like(self.direction), torch.zeros_like(self.counts)
        for block in self.blocks:
            sums += soft[block].T @ self._whitened(block)
            squares += torch.mul(soft[block], soft[block]).sum(dim=0)
        alike = _within(sums, squares, self.counts)
        sums += _PRIOR_IMAGES * alike**0.5 * self.direction
        lengths = sums.square().sum(dim=1)
        lengths += _PRIOR_IMAGES**2 * alike * (1 - self.direction.square().sum(dim=1)).clamp(min=0)
        shares = class_shares(self.counts)
        reach = _SPREAD * min(1.0, len(self.answered) / classes)
        residual = torch.nn.functional.one_hot(self.said[self.answered], classes).float() - answered
        asked = self._whitened(self.answered)
        for block in self.blocks:
            rows, block_shares = self._whitened(block), soft[block]
            value = rows @ sums.T
            length = (
                torch.sub(block_shares, value, alpha=2)
                .mul_(block_shares)
                .add_(lengths)
                .clamp_(min=1e-12)
                .rsqrt_()
            )
            value.sub_(block_shares).mul_(length).mul_(self.weight).add_(self.prompts[block])
            value.add_(shares.logits(self.counts - block_shares))
            if len(self.answered):
                near = (rows @ asked.T - alike).clamp_(min=0)
                itself = torch.arange(len(soft))[block, None] == self.answered
                value += reach * (near.masked_fill_(itself, 0.0) @ residual)
            block_shares.copy_(value)
        return soft


def inductive_from_folder(
    text: Float[Tensor, "classes dim"], logit_scale: float, rows: Float[Tensor, "query dim"]
) -> InductiveFit:
    """Return what is known where there is no pool: the prompts, and how the folder's own images are spread.

    The covariance of the folder holds what tells its classes apart, and is shrunk as strongly as it is wide.

    Raises:
        InputError: the folder has no images.
    """
    if not len(rows):
        raise InputError("The folder holds no images; at least one is needed.")
    ordered = normalize(rows.float())[_places(normalize(rows.float()), None).argsort(stable=True)]
    mean, spread = ordered.double().mean(dim=0), covariance(ordered)
    fit = whitening(mean, spread, _OWN_SHRINKAGE)
    nothing = torch.zeros_like(text)
    return InductiveFit(
        text, logit_scale, fit.mean, fit.matrix, nothing, nothing[:, 0], mean, spread, pool_is_folder=True
    )


def _whitened_for(inductive: InductiveFit, images: Tensor, weight: float) -> Whitening:
    """Return the fit's whitening, and the less the fit is worth, the more that of pool and folder together.

    A pool that holds none of the classes says nothing of their spread; the folder does.
    """
    kept = min(1.0, weight / _LEAST_WEIGHT)
    matrix = inductive.matrix.double()
    if kept == 1.0 or inductive.pool_is_folder or len(images) < 2:
        return Whitening(inductive.mean, matrix)
    mixed = (covariance(images) + inductive.pool_covariance) / 2
    folder_whitening = whitening(images.double().mean(dim=0), mixed, _SHRINKAGE)
    mean = kept * inductive.mean.double() + (1 - kept) * folder_whitening.mean
    precision = kept * matrix @ matrix + (1 - kept) * folder_whitening.matrix @ folder_whitening.matrix
    values, vectors = torch.linalg.eigh((precision + precision.T) / 2)
    return Whitening(mean, (vectors * values.clamp(min=0).sqrt()) @ vectors.T)


def _within(sums: Tensor, squares: Tensor, counts: Tensor) -> float:
    """Return r^2, the mean cosine of two images of one class, over all pairs of all classes."""
    pairs = (counts.square() - squares).clamp(min=0).sum()
    inner = (sums.square().sum(dim=1) - squares).sum()
    return min(1.0, max(0.0, float(inner / pairs.clamp(min=1e-12))))


def _places(unit: Tensor, groups: Tensor | None) -> Tensor:
    """Return which place each row has among the groups, in an order that their content fixes."""
    flat = np.ascontiguousarray(unit.numpy())
    keys = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1])))[:, 0]
    equal = torch.from_numpy(np.unique(keys, return_inverse=True)[1].reshape(-1).astype(np.int64))
    if groups is None:
        return equal
    # A group lies where its first row lies; equal rows in two groups join them.
    joined = _joined(equal, torch.unique(groups, return_inverse=True)[1])
    place_of: Tensor = torch.unique(joined, return_inverse=True)[1]
    return place_of


def _joined(one: Tensor, other: Tensor) -> Tensor:
    """Return the smallest label of ``one`` in each part that shares a label of either."""
    labels = one.clone()
    while True:
        least = torch.full((int(other.max()) + 1,), len(one)).scatter_reduce(0, other, labels, "amin")[other]
        least = torch.full((int(one.max()) + 1,), len(one)).scatter_reduce(0, one, least, "amin")[one]
        if torch.equal(least, labels):
            return labels
        labels = least


def _one_per_place(unit: Tensor, place: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Return one row per group, and what was said of it: nothing where the answers of its images differ."""
    count = int(place.max()) + 1
    order = torch.argsort(place, stable=True)
    sums = torch.zeros(count, unit.shape[1], dtype=torch.float64).index_add_(
        0, place[order], unit[order].double()
    )
    answered = answers != UNSAID
    low = torch.full((count,), 2**62).scatter_reduce(0, place[answered], answers[answered], "amin")
    high = torch.full((count,), -(2**62)).scatter_reduce(0, place[answered], answers[answered], "amax")
    return normalize(sums).float(), torch.where(low == high, low, torch.full_like(low, UNSAID))


def _check(inductive: InductiveFit, rows: Tensor, answers: Tensor, groups: Tensor | None) -> None:
    if rows.shape[1] != inductive.text.shape[1]:
        raise MismatchError(
            f"The images of the folder have {rows.shape[1]} columns, the text classifier has {inductive.text.shape[1]}: they "
            "come from different encoders. Encode both with the same model."
        )
    for what, values in (("corrections", answers), ("groups", groups)):
        if values is not None and len(values) != len(rows):
            raise MismatchError(
                f"There are {len(values)} {what} for {len(rows)} images. Give one for each image."
            )
    wrong = answers[(answers < NONE_OF_THESE) | (answers >= len(inductive.text))]
    if len(wrong):
        raise InputError(
            f"A correction is the number of a class (0 to {len(inductive.text) - 1}), {UNSAID} for nothing said or "
            f"{NONE_OF_THESE} for none of these; found {int(wrong[0])}."
        )
