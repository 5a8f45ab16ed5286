"""Evidence x methods x protocols, measured on labelled images: one row of a table with its intervals each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from susx.errors import InputError
from susx.evaluation.ablation import take_shots
from susx.evaluation.accuracy import top_1
from susx.evaluation.comparison import compare, mean_gain
from susx.evaluation.interval import mean_interval
from susx.experiment.fit import FittedTrial, fit_trial, shown_to
from susx.experiment.trials import Trial
from susx.features.feature_set import FeatureSet, Split
from susx.methods import REFERENCE, Evidence, ImageFeatures, Need, known_methods
from susx.methods.access import Access, seen_by
from susx.seeds import derive_seed

__all__ = ["DRAWS", "Row", "evidence_of", "few_shot_rows", "halve", "rows_of", "usable_methods"]

DRAWS = 3
"""Draws of the shots that a few-shot row is the mean of, unless said otherwise."""


@dataclass(frozen=True)
class Row:
    """One line of the table: accuracies are shares of 1.

    ``low`` and ``high`` bound the accuracy at 95 % by a bootstrap over images, of the mean where several draws of the shots
    were run; ``runs`` holds what each of those chose and reached. ``gain`` is the paired difference to zero-shot on the
    same images, of several draws their mean, with its bootstrap interval over images. ``access`` is what the row looked at.
    """

    method: str
    tuning: str
    support: str
    top1: float
    low: float
    high: float
    n: int
    hyper_parameters: dict[str, float] = field(default_factory=dict)
    note: str = ""
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    runs: tuple[dict[str, Any], ...] = ()
    access: tuple[Access, ...] = ()


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
        features.text, features.logit_scale, class_names=features.class_names, encoder=features.encoder,
        encoder_digest=features.encoder_digest, **splits,
    )  # fmt: skip


def usable_methods(wanted: Sequence[str], evidence: Evidence, test: Split) -> dict[str, dict[str, Any]]:
    """Return the methods to run: those named, or, when none is, all row-wise ones that the features allow."""
    if wanted:
        return {name: {} for name in wanted}
    lacking = {Need.TRAINING, Need.WEIGHTS, Need.TEXT_TOWER, Need.QUERY_TEXT, Need.ADAPTED}
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


def rows_of(
    evidence: Evidence, test: Split, trials: Sequence[Trial], support: str, **options: Any
) -> Iterator[Row]:
    """Yield a row per trial, the reference (whose trial comes first) included. ``options`` go to ``fit_trial``."""
    query = ImageFeatures(test.features, test.patches)
    reference = None
    for trial in trials:
        result = fit_trial(trial, evidence, **options)
        logits = result.fitted.logits(query)
        right = logits.argmax(dim=1) == test.labels
        accuracy = top_1(logits, test.labels)
        low, high = accuracy.interval
        gain = None if reference is None else compare(reference, right)
        if trial.method.name == REFERENCE:
            reference = right
        yield Row(
            trial.method.name,
            trial.tuning if trial.method.axes else "-",
            support if Need.SUPPORT in trial.method.needs else "-",
            accuracy.value,
            low,
            high,
            len(test),
            dict(result.choice.hyper_parameters),
            result.choice.note,
            None if gain is None else gain.gain,
            None if gain is None else gain.low,
            None if gain is None else gain.high,
            access=seen_by(trial.method, shown_to(trial, evidence), trial.tuning),
        )


def few_shot_rows(
    evidence: Evidence,
    test: Split,
    trials: Sequence[Trial],
    shots: Sequence[int],
    draws: int = DRAWS,
    **options: Any,
) -> Iterator[Row]:
    """Yield a row per number of shots and trial that uses support: the mean over draws of the shots.

    The shots are drawn from the labelled support by seeds 1, 2, 3 ..., the same for every method. Where the shots are
    all there is, the draws are one and the same, and it is measured once. Gains are over the first trial, the reference.

    Raises:
        InputError: more shots than any class has labelled images, or no draw.
    """
    if draws < 1:
        raise InputError(f"Few-shot rows need at least one draw of the shots, found {draws}.")
    labels = evidence.support("Few-shot evaluation")[1]
    most = int(torch.bincount(labels).max())
    if max(shots) > most:
        raise InputError(
            f"{max(shots)} shots asked for, and no class has more than {most} labelled support images."
        )
    query = ImageFeatures(test.features, test.patches)

    def measure(trial: Trial, draw: Evidence) -> tuple[FittedTrial, Bool[Tensor, " query"]]:
        result = fit_trial(trial, draw, **options)
        return result, result.fitted.logits(query).argmax(dim=1) == test.labels

    _, reference = measure(trials[0], evidence)
    for count in shots:
        seeds = range(1, 1 + (draws if count < most else 1))
        drawn = [take_shots(evidence, count, seed) for seed in seeds]
        for trial in trials:
            if Need.SUPPORT not in trial.method.needs:
                continue
            measured = [measure(trial, draw) for draw in drawn]
            correct = torch.stack([right for _, right in measured])
            low, high = mean_interval(correct)
            gain, gain_low, gain_high = mean_gain(reference, correct)
            runs = tuple(
                {
                    "seed": seed,
                    "top1": float(right.double().mean()),
                    "hyper_parameters": result.choice.hyper_parameters,
                }
                for seed, (result, right) in zip(seeds, measured, strict=True)
            )
            notes = {result.choice.note for result, _ in measured} - {""}
            yield Row(
                trial.method.name,
                trial.tuning,
                f"{count} shots",
                float(correct.double().mean()),
                low,
                high,
                len(test),
                dict(measured[0][0].choice.hyper_parameters) if len(runs) == 1 else {},
                " ".join(sorted(notes)),
                gain,
                gain_low,
                gain_high,
                runs=runs if len(runs) > 1 else (),
                access=seen_by(trial.method, shown_to(trial, drawn[0]), trial.tuning),
            )
