"""Folder prototypes: a whole folder of images labelled at once, closed form, beside the inductive whitened prototypes.

The inductive fit (``whitened_prototypes``) gives z - offset + g x~.p for one image. The folder's own images then say
where its classes lie. Eight times, from the soft labels q = softmax(l) of the round before and v = w q (w ``insiders``),

    A_c = 4 r p_c + sum_i v_ic x~_i               class sums, the inductive prototype as four images
    f_ic = x~_i.A_c(-i) / |A_c(-i)|               A_c(-i) without the image itself: none votes for itself
    l = z - offset + g f + shares(n_c(-i))        n_c = sum_i v_ic, ``class_shares``

x~ is whitened around the folder's own centre, (8 m + sum_c n_c / (n_c + 4) mu_c) / (8 + sum_c n_c / (n_c + 4)), since a
folder is a domain of its own; r^2 is the leave-one-out cosine within classes. Probabilities are
softmax(l / (1 + 0.04 g)): the prompts' logits are calibrated as they are, and are the more too sure the more is added.

A corrected image counts as four in A_c of its class, and how far the fit was from the person's answer spreads to the
images that look like it: sum_j max(x~_i.x~_j - r^2, 0) (onehot_j - q_j), weight 5 min(1, answers / classes).

Images of one group count as one. Rows are sorted first, so that the order of the images changes no bit of the result.
Rows and fit are tensors of torch or arrays of numpy, all of one kind; so is what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from susx.errors import InputError, MismatchError
from susx.methods.functional.arrays import (
    Array,
    double,
    inverse_root,
    lengths,
    library,
    like,
    single,
    softmax,
    unit_rows,
)
from susx.methods.functional.class_shares import class_shares
from susx.methods.functional.insiders import (
    Surrogates,
    insider_weights,
    spread_over_features,
    surrogate_rows,
)
from susx.methods.functional.labelled_logits import labelled_logits
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
_TEMPERATURE_PER_WEIGHT = 0.04
"""The best of six values on the swapped cells (docs/methods/folder-prototypes.md), with CLIP's logit scale of 100."""
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
        outer: best logits of images that show none of the classes; None: drawn from these moments when they are needed, by torch.
    """

    text: Float[Array, "classes dim"]
    logit_scale: float
    mean: Float[Array, " dim"]
    matrix: Float[Array, "dim dim"]
    prototypes: Float[Array, "classes dim"]
    offset: Float[Array, " classes"]
    pool_mean: Float64[Array, " dim"]
    pool_covariance: Float64[Array, "dim dim"]
    pool_is_folder: bool = False
    outer: Surrogates | None = field(default=None, metadata={"kept": False})

    @property
    def outsiders(self) -> Surrogates:
        """Return what the best logits of images are that show none of the classes."""
        if self.outer is not None:
            return self.outer
        best = self.logits(surrogate_rows(self.pool_mean, self.pool_covariance)).amax(dim=1)
        return Surrogates(float(best.mean()), float(best.std()))

    def added(self, rows: Float[Array, "query dim"]) -> Float[Array, "query classes"]:
        """Return g x~.p, which the folder's own images take the place of."""
        return Whitening(single(self.mean), single(self.matrix))(rows) @ self.prototypes.T

    def kept(self, rows: Float[Array, "query dim"]) -> Float[Array, "query classes"]:
        """Return what stays of the inductive logits of unit rows, whatever the folder shows: z - offset."""
        return self.logit_scale * (rows @ single(self.text).T) - single(self.offset)

    def logits(self, rows: Float[Array, "query dim"]) -> Float[Array, "query classes"]:
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

    labelled_mean: Float[Array, " dim"] = field(kw_only=True)
    labelled_matrix: Float[Array, "dim dim"] = field(kw_only=True)
    labelled_prototypes: Float[Array, "classes dim"] = field(kw_only=True)
    trust: Float[Array, " classes"] = field(kw_only=True)
    stranger: float = field(kw_only=True)
    every_class: bool = field(kw_only=True)

    def kept(self, rows: Float[Array, "query dim"]) -> Float[Array, "query classes"]:
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
        probabilities: softmax(logits / (1 + 0.04 g)), g the mean weight of the folder's term over the classes.
        none_of_these: in [0, 1], how far an image looks like none of the classes.
        shares: of the classes among the images that show one; sums to 1 (even where no image does).
        corrections: what a person said of each image, ``UNSAID`` where nothing.
        mean, matrix: the whitening around the folder's own centre, in which its images are compared.
    """

    logits: Float[Array, "query classes"]
    probabilities: Float[Array, "query classes"]
    none_of_these: Float[Array, " query"]
    shares: Float[Array, " classes"]
    corrections: Int64[Array, " query"]
    mean: Float[Array, " dim"]
    matrix: Float[Array, "dim dim"]

    @property
    def labels(self) -> Int64[Array, " query"]:
        """Class of each image: what a person said, else the most probable one. ``NONE_OF_THESE`` only where said."""
        best = self.probabilities.argmax(axis=1)
        return library(best).where(self.corrections == UNSAID, best, self.corrections)


def label_folder(
    inductive: InductiveFit,
    rows: Float[Array, "query dim"],
    *,
    corrections: Int64[Array, " _"] | None = None,
    groups: Int64[Array, " _"] | None = None,
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
    of = library(rows)
    answers = of.full((len(rows),), UNSAID, dtype=of.int64) if corrections is None else corrections
    _check(inductive, rows, answers, groups)
    if not len(rows):
        classes = len(inductive.text)
        none, even = (
            like(values, single(rows)) for values in (np.zeros((0, classes)), np.full(classes, 1 / classes))
        )
        whitening = single(inductive.mean), single(inductive.matrix)
        return FolderLabels(none, none, none[:, 0], even, answers, *whitening)
    unit = unit_rows(single(rows))
    place_of = _places(np.asarray(unit), None if groups is None else np.asarray(groups))
    images, answered = _one_per_place(unit, place_of, np.asarray(answers))
    step = block_rows or max(128, _BLOCK_NUMBERS // len(inductive.text))
    fit = _Folder(inductive, images, answered, step)
    logits = fit.logits()[place_of]
    probabilities, temperature = of.empty_like(logits), 1 + _TEMPERATURE_PER_WEIGHT * float(fit.weight.mean())
    for block in (slice(at, at + step) for at in range(0, len(rows), step)):
        probabilities[block] = softmax(logits[block] / temperature)
    counts = fit.counts.clip(min=0) + 1e-12
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

    def __init__(self, inductive: InductiveFit, images: Array, corrected: np.ndarray, step: int) -> None:
        self.blocks = [slice(at, at + step) for at in range(0, len(images), step)]
        self.of: Any = library(images)
        self.corrected, self.answered = corrected, np.flatnonzero(corrected >= 0)
        prototypes = single(inductive.prototypes)
        self.weight = lengths(prototypes)[:, 0]
        fit = _whitened_for(inductive, images, float(self.weight.mean()))
        self.images, self.matrix = images, single(fit.matrix)
        self.projected = images @ self.matrix
        self.mean = single(fit.mean)
        self.weight = self.weight.clip(min=_LEAST_WEIGHT)
        self.direction = prototypes / self.weight.clip(min=1e-6)[:, None]
        self.prompts = inductive.kept(images)
        self.centre = self.mean
        self.shift = self.centre @ self.matrix
        self.soft = self.of.empty_like(self.prompts)
        for block in self.blocks:
            self.soft[block] = inductive.logits(images[block])
        self.inside = insider_weights(self.of.amax(self.soft, axis=1), inductive.outsiders)
        self._tell(self.inside)
        self.inside = spread_over_features(images, self.inside)
        self.trusted = self.inside + 0.0
        if inductive.pool_is_folder:
            self.trusted[:] = 1.0
        self.trusted[corrected == NONE_OF_THESE] = 0.0
        self._tell(self.inside)

    def _tell(self, inside: Array) -> None:
        """Write what people said over the weights."""
        inside[self.corrected >= 0] = 1.0
        inside[self.corrected == NONE_OF_THESE] = 0.0

    def logits(self) -> Array:
        """Return the logits of the last round; ``counts`` are those of its soft labels."""
        values = self.soft
        for _ in range(ROUNDS):
            answered = softmax(values[self.answered])
            self._soften(values)
            values = self._round(answered)
        del self.prompts
        final = values + 0.0
        self._soften(values)
        del self.soft
        return final

    def _whitened(self, block: slice | np.ndarray) -> Array:
        rows = self.projected[block] - self.shift
        rows /= lengths(rows).clip(min=1e-12)
        return rows

    def _soften(self, logits: Array) -> None:
        """Turn logits into v = w q in place, and count."""
        for block in self.blocks:
            part = softmax(logits[block])
            part *= self.trusted[block, None]
            logits[block] = part
        logits[self.answered] = 0.0
        logits[self.answered, self.corrected[self.answered]] = _CORRECTED_IMAGES
        self.counts = single(logits.sum(axis=0, dtype=self.of.float64))

    def _round(self, answered: Array) -> Array:
        """Return the next logits, written over the soft labels."""
        soft, classes = self.soft, self.soft.shape[1]
        trust = self.counts / (self.counts + _PRIOR_IMAGES)
        share = soft @ (1 / (self.counts + _PRIOR_IMAGES))
        total = _CENTRE_IMAGES + float(trust.sum())
        self.centre = (_CENTRE_IMAGES * self.mean + share @ self.images) / total
        self.shift = self.centre @ self.matrix
        sums, squares = self.of.zeros_like(self.direction), self.of.zeros_like(self.counts)
        for block in self.blocks:
            sums += soft[block].T @ self._whitened(block)
            squares += (soft[block] * soft[block]).sum(axis=0)
        alike = _within(sums, squares, self.counts)
        sums += _PRIOR_IMAGES * alike**0.5 * self.direction
        squared_lengths = (sums * sums).sum(axis=1)
        missing = 1 - (self.direction * self.direction).sum(axis=1)
        squared_lengths += _PRIOR_IMAGES**2 * alike * missing.clip(min=0)
        shares = class_shares(self.counts)
        reach = _SPREAD * min(1.0, len(self.answered) / classes)
        residual = -answered
        residual[np.arange(len(self.answered)), self.corrected[self.answered]] += 1
        asked = self._whitened(self.answered)
        for block in self.blocks:
            rows, block_shares = self._whitened(block), soft[block]
            value = rows @ sums.T
            length = -2 * value
            length += block_shares
            length *= block_shares
            length += squared_lengths
            value -= block_shares
            value *= inverse_root(length, 1e-12)
            value *= self.weight
            value += self.prompts[block]
            value += shares.logits(self.counts - block_shares)
            if len(self.answered):
                near = (rows @ asked.T - alike).clip(min=0)
                near[np.arange(len(soft))[block, None] == self.answered] = 0.0
                value += reach * (near @ residual)
            soft[block] = value
        return soft


def inductive_from_folder(
    text: Float[Array, "classes dim"], logit_scale: float, rows: Float[Array, "query dim"]
) -> InductiveFit:
    """Return what is known where there is no pool: the prompts, and how the folder's own images are spread.

    The covariance of the folder holds what tells its classes apart, and is shrunk as strongly as it is wide.

    Raises:
        InputError: the folder has no images.
    """
    if not len(rows):
        raise InputError("The folder holds no images; at least one is needed.")
    unit = unit_rows(single(rows))
    ordered = unit[np.argsort(_places(np.asarray(unit), None), kind="stable")]
    mean, spread = double(ordered).mean(axis=0), covariance(ordered)
    fit = whitening(mean, spread, _OWN_SHRINKAGE)
    nothing = library(text).zeros_like(text)
    return InductiveFit(
        text, logit_scale, fit.mean, fit.matrix, nothing, nothing[:, 0], mean, spread, pool_is_folder=True
    )


def _whitened_for(inductive: InductiveFit, images: Array, weight: float) -> Whitening:
    """Return the fit's whitening, and the less the fit is worth, the more that of pool and folder together.

    A pool that holds none of the classes says nothing of their spread; the folder does.
    """
    kept, of = min(1.0, weight / _LEAST_WEIGHT), library(images)
    matrix = double(inductive.matrix)
    if kept == 1.0 or inductive.pool_is_folder or len(images) < 2:
        return Whitening(inductive.mean, matrix)
    mixed = (covariance(images) + inductive.pool_covariance) / 2
    folder_whitening = whitening(double(images).mean(axis=0), mixed, _SHRINKAGE)
    mean = kept * double(inductive.mean) + (1 - kept) * folder_whitening.mean
    precision = kept * matrix @ matrix + (1 - kept) * folder_whitening.matrix @ folder_whitening.matrix
    values, vectors = of.linalg.eigh((precision + precision.T) / 2)
    return Whitening(mean, (vectors * of.sqrt(values.clip(min=0))) @ vectors.T)


def _within(sums: Array, squares: Array, counts: Array) -> float:
    """Return r^2, the mean cosine of two images of one class, over all pairs of all classes."""
    pairs = (counts * counts - squares).clip(min=0).sum()
    inner = ((sums * sums).sum(axis=1) - squares).sum()
    return min(1.0, max(0.0, float(inner / pairs.clip(min=1e-12))))


def _places(unit: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return which place each row has among the groups, in an order that their content fixes."""
    flat = np.ascontiguousarray(unit)
    keys = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1])))[:, 0]
    equal = _numbered(keys)
    # A group lies where its first row lies; equal rows in two groups join them.
    return equal if groups is None else _numbered(_joined(equal, _numbered(groups)))


def _numbered(values: np.ndarray) -> np.ndarray:
    """Return the place of each value among the different ones, sorted."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the smallest label of ``one`` in each part that shares a label of either."""
    labels = one
    while True:
        least = _least(_least(labels, other)[other], one)[one]
        if np.array_equal(least, labels):
            return labels
        labels = least


def _least(labels: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return the smallest label in each part."""
    least = np.full(int(part.max()) + 1, len(labels))
    np.minimum.at(least, part, labels)
    return least


def _one_per_place(unit: Array, row_of_group: np.ndarray, answers: np.ndarray) -> tuple[Array, np.ndarray]:
    """Return one row per group, and what was said of it: nothing where the answers of its images differ."""
    count = int(row_of_group.max()) + 1
    order = np.argsort(row_of_group, kind="stable")
    begins = np.searchsorted(row_of_group[order], np.arange(count))
    sums = np.add.reduceat(np.asarray(unit)[order].astype(np.float64), begins, axis=0)
    answered = answers != UNSAID
    low, high = np.full(count, 2**62), np.full(count, -(2**62))
    np.minimum.at(low, row_of_group[answered], answers[answered])
    np.maximum.at(high, row_of_group[answered], answers[answered])
    return like(unit_rows(sums), unit), np.where(low == high, low, UNSAID)


def _check(inductive: InductiveFit, rows: Array, answers: Array, groups: Array | None) -> None:
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
