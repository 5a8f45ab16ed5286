"""One cell of an experiment: a method on a data set under one access, measured image by image."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from susx.evaluation.calibration import probabilities
from susx.evaluation.measure import measure
from susx.experiment.cell_access import SUPPORT
from susx.experiment.data import DataSet
from susx.experiment.fit_trial import FittedTrial, fit_trial, shown_to
from susx.experiment.regimes import OUTSIDER, Folder, draw_folder
from susx.experiment.result_rows import Row
from susx.experiment.trials import Trial, method_of
from susx.methods import REFERENCE, ImageFeatures, Run
from susx.methods.access import Access, seen_by
from susx.methods.zero_shot import ZeroShot

__all__ = ["Cell", "Fits", "MeasuredCell", "failed_row", "measure_cell"]


@dataclass(frozen=True)
class Cell:
    """What is measured. All of it decides the result, and nothing else does but the data.

    Attributes:
        dataset: name of the data set.
        method, parameters: which method, and the hyper-parameters that were set.
        tuning: protocol.
        access: what it looks at.
        shots: labelled images a class; None: none, or all there are.
        draw: of shots, folder and order; None where nothing is drawn.
        seed: root of folds, halves, folders and trainings.
        regime: what folder the images are.
        shrinkage: of tuning ``support``.
        grids: data set whose published search grids are used; None: the general ones.
    """

    dataset: str
    method: str
    parameters: Mapping[str, Any]
    tuning: str
    access: tuple[Access, ...]
    shots: int | None = None
    draw: int | None = None
    seed: int = 0
    regime: str = "all"
    shrinkage: float = 0.0
    grids: str | None = None

    @property
    def fit_key(self) -> tuple[Any, ...]:
        """What decides the fit: cells of several folders share it."""
        draw = self.draw if "shots" in self.access and self.shots is not None else None
        return (
            self.dataset, self.method, tuple(sorted(self.parameters.items())), self.tuning, self.access, self.shots, draw,
            self.seed, self.shrinkage, self.grids,
        )  # fmt: skip


@dataclass(frozen=True)
class MeasuredCell:
    """A row, and what was said of every image.

    Attributes:
        row: the scores.
        images: row of each image in its split, in the order in which they were classified.
        labels: their classes, ``OUTSIDER`` for images that show none.
        logits: of each.
        reference: which of them zero-shot gets right.
    """

    row: Row
    images: Int64[Tensor, " query"]
    labels: Int64[Tensor, " query"]
    logits: Float[Tensor, "query classes"]
    reference: Bool[Tensor, " query"]

    @property
    def predicted(self) -> Int64[Tensor, " query"]:
        """Class of the greatest logit."""
        return self.logits.argmax(dim=1)

    @property
    def confidence(self) -> Float[Tensor, " query"]:
        """Its softmax."""
        return probabilities(self.logits.double(), 1.0).amax(dim=1)


@dataclass
class Fits:
    """The last fit, so that cells of several folders need it once."""

    key: Any = None
    data: Any = field(default=None, repr=False)
    seconds: float = 0.0
    fit: FittedTrial | None = field(default=None, repr=False)


def measure_cell(cell: Cell, data: DataSet, run: Run = Run(), fits: Fits | None = None) -> MeasuredCell:
    """Fit a method on what it may look at and measure it on a folder.

    Args:
        cell: what is measured.
        data: its data set.
        run: device and checkpoints; the seed is the cell's.
        fits: keeps the fit for the next cell; None keeps none.

    Raises:
        SusxError: what the method, the protocol or the data refuse.
    """
    method = method_of(cell.method, cell.parameters)
    _, test, split_name = data.splits(cell.seed)
    folder = _folder(cell, data, test.labels)
    evidence = data.evidence(cell.access, cell.shots, cell.draw, cell.seed)
    trial = Trial(method, cell.tuning)
    shown = shown_to(trial, evidence)
    started, shared = time.perf_counter(), 0.0
    if fits is None or fits.fit is None or fits.data is not data or fits.key != cell.fit_key:
        fitted = fit_trial(
            trial, evidence, dataset=cell.grids, shrinkage=cell.shrinkage,
            run=dataclasses.replace(run, seed=cell.seed),
        )  # fmt: skip
        if fits is not None:
            fits.key, fits.data, fits.fit = cell.fit_key, data, fitted
            fits.seconds = time.perf_counter() - started
    else:
        fitted, shared = fits.fit, fits.seconds
    query, labels, images = _query(folder, data, test)
    logits = fitted.fitted.logits(query)
    seconds = shared + time.perf_counter() - started
    inside = labels != OUTSIDER
    plain = ZeroShot().logits(fitted.fitted.zero_shot, query)
    score = measure(
        logits[inside], labels[inside], reference=None if cell.method == REFERENCE else plain[inside],
        access=seen_by(method, shown, cell.tuning), shots=cell.shots, draw=cell.draw, seed=cell.seed,
    )  # fmt: skip
    labelled = shown.support_labelled
    choice = fitted.choice
    validated = 0 if shown.validation_labels is None else len(shown.validation_labels)
    row = Row(
        **vars(score),
        dataset=cell.dataset,
        method=cell.method,
        tuning=cell.tuning if method.axes else "-",
        support=data.support_words(cell.access, cell.shots) if set(cell.access) & set(SUPPORT) else "-",
        regime=cell.regime,
        split=split_name,
        outsiders=int((~inside).sum()),
        parameters=dict(cell.parameters),
        hyper_parameters=dict(choice.hyper_parameters),
        note=choice.note,
        labelled_images=0 if labelled is None else int(labelled.sum()),
        validation_images=validated,
        looks=choice.searched,
        seconds=seconds,
    )
    return MeasuredCell(row, images, labels, logits, plain.argmax(dim=1) == labels)


def failed_row(cell: Cell, reason: str) -> Row:
    """Return the row of a cell that has no number."""
    return Row(
        dataset=cell.dataset, method=cell.method, tuning=cell.tuning if method_of(cell.method, cell.parameters).axes else "-",
        regime=cell.regime, access=cell.access, shots=cell.shots, draw=cell.draw, seed=cell.seed, parameters=dict(cell.parameters),
        reason=reason,
    )  # fmt: skip


def _folder(cell: Cell, data: DataSet, labels: Tensor) -> Folder:
    strangers = data.strangers() if cell.regime == "outsiders" else None
    return draw_folder(
        cell.regime, labels, data.features.classes, cell.seed, cell.draw or 1, shuffled="stream" in cell.access,
        strangers=None if strangers is None else strangers[1],
    )  # fmt: skip


def _query(folder: Folder, data: DataSet, test: Any) -> tuple[ImageFeatures, Tensor, Tensor]:
    """Return the folder's features, labels and rows, in its order."""
    rows, labels = test.features[folder.images], test.labels[folder.images]
    images, patches = folder.images, None if test.patches is None else test.patches[folder.images]
    strangers = data.strangers() if len(folder.strangers) else None
    if strangers is not None:
        rows = torch.cat([rows, strangers[0].features[folder.strangers]])
        labels = torch.cat([labels, torch.full((len(folder.strangers),), OUTSIDER)])
        images, patches = torch.cat([images, folder.strangers]), None
    query = ImageFeatures(rows[folder.order], None if patches is None else patches[folder.order])
    return query, labels[folder.order], images[folder.order]
