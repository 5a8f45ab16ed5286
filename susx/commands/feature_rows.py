"""Measure methods on files of features: which support, which tuning, one row of a table each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from susx.errors import ConfigError, InputError
from susx.evaluation.ablation import take_shots
from susx.evaluation.accuracy import mean_and_interval, top_1
from susx.features.feature_set import FeatureSet, Split
from susx.methods import METHODS, Evidence, ImageFeatures, Need
from susx.seeds import derive_seed
from susx.tuning import TuningResult, tune

__all__ = ["Row", "evidence_of", "few_shot_rows", "halve", "rows_of", "usable_methods"]

_log = logging.getLogger(__name__)

FEW_SHOT_SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Row:
    """One line of the table: accuracies are shares of 1.

    ``low`` and ``high`` bound the accuracy at 95 %: over images (bootstrap) for one run, over the draws of
    the shots (Student) where several seeds were run; ``runs`` holds what each run chose and reached.
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
    runs: tuple[dict[str, Any], ...] = ()


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


def evidence_of(features: FeatureSet, support: Split | None, validation: Split | None) -> Evidence:
    """Return what methods and tuning may look at."""
    given: dict[str, Any] = {}
    for name, split in (("support", support), ("validation", validation)):
        if split is not None:
            given |= {
                f"{name}_features": split.features,
                f"{name}_labels": split.labels,
                f"{name}_patches": split.patches,
            }
    return Evidence(features.text, features.logit_scale, class_names=features.class_names, **given)


def usable_methods(wanted: Sequence[str], evidence: Evidence, test: Split) -> list[str]:
    """Return the methods to run: those named, or, when none is, all that the features allow."""
    if wanted:
        return list(wanted)
    lacking = set()
    if not evidence.has_support:
        lacking.add(Need.SUPPORT)
    if test.patches is None:
        lacking.add(Need.PATCHES)
    return sorted(
        (n for n in METHODS if not METHODS[n].needs & lacking), key=("zero_shot", *sorted(METHODS)).index
    )


def rows_of(
    evidence: Evidence,
    test: Split,
    methods: Sequence[str],
    tuning: Sequence[str],
    support: str,
    **options: Any,
) -> Iterator[Row]:
    """Yield a row per method and tuning protocol. ``options`` go to ``tune``."""
    for name in methods:
        for protocol in ("-",) if name == "zero_shot" else tuning:
            if protocol == "val" and not evidence.has_validation:
                _log.warning("%s: no validation images, so tuning 'val' is left out.", name)
                continue
            result, right, n = _measure(
                name, evidence, test, "fixed" if protocol == "-" else protocol, options
            )
            low, high = right.interval
            source = support if Need.SUPPORT in METHODS[name].needs else "-"
            yield Row(
                name, protocol, source, right.value, low, high, n, dict(result.hyper_parameters), result.note
            )


def few_shot_rows(
    evidence: Evidence,
    test: Split,
    methods: Sequence[str],
    tuning: Sequence[str],
    shots: Sequence[int],
    **options: Any,
) -> Iterator[Row]:
    """Yield a row per number of shots, method and protocol: the mean over three draws of the shots.

    The shots are drawn from the labelled support by seeds 1, 2 and 3, the same for every method. Where the shots are
    all there is, the draws are one and the same; it is measured once and its interval is over images.

    Raises:
        InputError: more shots than any class has labelled images.
    """
    labels = evidence.support("Few-shot evaluation")[1]
    most = int(torch.bincount(labels).max())
    if max(shots) > most:
        raise InputError(
            f"{max(shots)} shots asked for, and no class has more than {most} labelled support images."
        )
    for count in shots:
        seeds = FEW_SHOT_SEEDS if count < most else FEW_SHOT_SEEDS[:1]
        draws = [take_shots(evidence, count, seed) for seed in seeds]
        for name in methods:
            if not METHODS[name].needs & {Need.SUPPORT}:
                continue
            for protocol in tuning:
                if protocol == "val" and not evidence.has_validation:
                    _log.warning("%s: no validation images, so tuning 'val' is left out.", name)
                    continue
                measured = [_measure(name, draw, test, protocol, options) for draw in draws]
                if len(measured) > 1:
                    mean, low, high = mean_and_interval([right.value for _, right, _ in measured])
                else:
                    right = measured[0][1]
                    mean, (low, high) = right.value, right.interval
                runs = tuple(
                    {"seed": seed, "top1": right.value, "hyper_parameters": result.hyper_parameters}
                    for seed, (result, right, _) in zip(seeds, measured, strict=True)
                )
                notes = {result.note for result, _, _ in measured} - {""}
                yield Row(
                    name,
                    protocol,
                    f"{count} shots",
                    mean,
                    low,
                    high,
                    len(test),
                    dict(measured[0][0].hyper_parameters) if len(runs) == 1 else {},
                    " ".join(notes),
                    runs if len(runs) > 1 else (),
                )


def _measure(
    name: str, evidence: Evidence, test: Split, protocol: str, options: dict[str, Any]
) -> tuple[TuningResult, Any, int]:
    if name not in METHODS:
        raise ConfigError(f"There is no method '{name}'. Known: {', '.join(sorted(METHODS))}.")
    method, result = tune(name, evidence, protocol, **options)
    logits = method.logits(method.fit(evidence), ImageFeatures(test.features, test.patches))
    return result, top_1(logits, test.labels), len(test)
