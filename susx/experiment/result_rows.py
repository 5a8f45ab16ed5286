"""Rows of an experiment: a cell of it, or the mean over the draws of several; and the evidence of a folder of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int64
from torch import Tensor

from susx.evaluation.measure import Score, measure_runs
from susx.features.feature_set import FeatureSet, Split
from susx.methods import Evidence, Need, known_methods
from susx.seeds import derive_seed

if TYPE_CHECKING:
    from susx.experiment.cell import MeasuredCell

__all__ = ["DRAWS", "Row", "evidence_of", "halve", "mean_row", "usable_methods"]

DRAWS = 3
"""Draws of the shots that a few-shot row is the mean of, unless said otherwise."""


@dataclass(frozen=True, kw_only=True)
class Row(Score):
    """What was measured of a method on a data set, with what it was allowed and what it chose. Gains are over zero-shot.

    Attributes:
        dataset, method, tuning: what was measured; "-" for the tuning of a method without hyper-parameters.
        support: where support images come from, for people; "-" where there are none.
        regime: which folder the images are (``susx.experiment.regimes``).
        split: images measured on.
        outsiders: images of the folder that show no class; they are not among ``n``.
        parameters: hyper-parameters that were set.
        hyper_parameters: those chosen; of several draws see ``runs``.
        note: what else happened than asked for, or "".
        reason: why there is no number, or "".
        labelled_images: support images that a person labelled.
        validation_images: labelled images that hyper-parameters were chosen on, or fitted on.
        looks: how often images were scored to choose hyper-parameters: points of the search, on validation images under ``val``, on the
            support itself under ``support``.
        seconds: of tuning, fit and prediction on this machine; a fit that cells share counts in each.
        images: file of what was said of every image, in the folder of a result; "" where none was kept.
        runs: the draw, accuracy and hyper-parameters of each of several draws that this is the mean of.
    """

    dataset: str = ""
    method: str
    tuning: str
    support: str = "-"
    regime: str = "all"
    split: str = ""
    outsiders: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    hyper_parameters: dict[str, float] = field(default_factory=dict)
    note: str = ""
    reason: str = ""
    labelled_images: int = 0
    validation_images: int = 0
    looks: int = 0
    seconds: float = 0.0
    images: str = ""
    runs: tuple[dict[str, Any], ...] = ()


def mean_row(cells: Sequence[MeasuredCell]) -> Row:
    """Return the row of several draws of the shots on the same images: their mean, with its interval over images."""
    rows = [cell.row for cell in cells]
    if len(rows) == 1:
        return rows[0]
    first = rows[0]
    correct = torch.stack([cell.predicted == cell.labels for cell in cells])
    score = measure_runs(rows, correct, cells[0].reference)
    runs = tuple(
        {"seed": row.draw, "top1": row.top1, "hyper_parameters": row.hyper_parameters} for row in rows
    )
    return Row(
        **vars(score), dataset=first.dataset, method=first.method, tuning=first.tuning, support=first.support, regime=first.regime,
        split=first.split, parameters=first.parameters, note=" ".join(sorted({row.note for row in rows} - {""})),
        labelled_images=first.labelled_images, validation_images=first.validation_images, looks=first.looks,
        seconds=sum(row.seconds for row in rows), runs=runs,
    )  # fmt: skip


def halve(split: Split, seed: int) -> tuple[Split, Split]:
    """Return two halves of a labelled split, each with half of every class, drawn by ``seed``."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "halves"))
    order = torch.randperm(len(split), generator=generator)
    order = order[split.labels[order].argsort(stable=True)]
    first, second = order[::2].sort().values, order[1::2].sort().values
    return _part(split, first), _part(split, second)


def _part(split: Split, rows: Int64[Tensor, " part"]) -> Split:
    patches = None if split.patches is None else split.patches[rows]
    return Split(split.features[rows], split.labels[rows], patches)


def evidence_of(
    features: FeatureSet, support: Split | None, validation: Split | None, *, labelled: bool
) -> Evidence:
    """Return what methods and tuning may look at; ``labelled`` says whether a person labelled the support."""
    splits: dict[str, Any] = {}
    for name, split in (("support", support), ("validation", validation)):
        if split is not None:
            splits |= {
                f"{name}_features": split.features,
                f"{name}_labels": split.labels,
                f"{name}_patches": split.patches,
            }
    if support is not None and labelled:
        splits["support_labelled"] = torch.ones(len(support), dtype=torch.bool)
    return Evidence(
        features.text, features.logit_scale, class_names=features.class_names, encoder=features.encoder, **splits,
    )  # fmt: skip


def usable_methods(wanted: Sequence[str], evidence: Evidence, test: Split) -> dict[str, dict[str, Any]]:
    """Return the methods to run: those named, or, when none is, all row-wise ones that the features allow."""
    if wanted:
        return {name: {} for name in wanted}
    lacking = {Need.TRAINING, Need.WEIGHTS, Need.TEXT_TOWER, Need.QUERY_TEXT, Need.ADAPTED, Need.VIEWS}
    if not evidence.has_support:
        lacking.add(Need.SUPPORT)
    if evidence.pool is None and not evidence.has_labelled:
        # A pool says how far guesses are to be believed; labels need none.
        lacking.add(Need.POOL)
    if test.patches is None or (evidence.has_support and evidence.support_patches is None):
        lacking.add(Need.PATCHES)
    return {
        name: {} for name, method in known_methods().items() if method.row_wise and not method.needs & lacking
    }
