"""An experiment on a folder of features: what ``susx evaluate`` measures, for commands, flows and the Python API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.errors import ConfigError, InputError
from susx.experiment.rows import DRAWS, Row, evidence_of, few_shot_rows, halve, rows_of, usable_methods
from susx.experiment.trials import trials_of
from susx.features.feature_set import FeatureSet
from susx.features.pool_search import read_pool, support_from_pool
from susx.features.pool_statistics import gather_pool_statistics
from susx.methods import Run, known_methods

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Experiment", "evaluate_features"]


@dataclass(frozen=True)
class Experiment:
    """What was measured: rows, the source of the features, and the images measured on."""

    rows: tuple[Row, ...]
    source: str
    split: str

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table; accuracies are shares of 1."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(row) for row in self.rows])


def evaluate_features(
    features: FeatureSet,
    *,
    pool: Path | None = None,
    per_class: int = 16,
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]] = (),
    tuning: Sequence[str] = ("fixed", "support", "val"),
    shots: Sequence[int] = (),
    draws: int = DRAWS,
    shrinkage: float = 0.0,
    seed: int = 0,
    dataset: str | None = None,
    run: Run = Run(),
) -> Experiment:
    """Measure methods on features: top-1 with its 95 % interval, per method and tuning protocol.

    Where there is no test split, the validation split is halved by class: one half for tuning 'val', one to measure on.

    Args:
        features: splits and text classifier.
        pool: folder with ``features.npy`` that ``per_class`` images a class are chosen from as a build chooses them
            (``choose_support``). None: the support of ``features``.
        methods: names, or name -> hyper-parameters; all that the features allow when empty.
        tuning: protocols.
        shots: few-shot: numbers of labelled shots drawn from the support.
        draws: of the shots, that a few-shot row is the mean of.
        shrinkage: of tuning ``support`` towards the fixed values, 0 to 1.
        seed: of folds, and of the halves of a validation split without test.
        dataset: name of the data set, where a paper publishes search grids per data set.
        run: device and folder of checkpoints, for methods that train; its seed is ``seed``.

    Raises:
        ConfigError: a pool and shots at once, an unknown method or protocol.
        InputError: no labelled images to measure on.
    """
    if pool is not None and shots:
        raise ConfigError("--pool and --shots are two sources of support: give one of them.")
    validation, test, split = features.validation, features.test, "test"
    if test is None:
        if validation is None:
            raise InputError(
                f"{features.source}: neither test nor validation images to measure on. Add a labelled split."
            )
        (validation, test), split = halve(validation, seed), f"half of validation (seed {seed})"
    images, source, statistics = features.support, "the folder's", None
    if pool is not None:
        rows = read_pool(pool)
        # Of features in memory the encoder is not known by its weights; one folder's prompts and one pool are one encoder's.
        statistics = gather_pool_statistics(
            features.text, features.logit_scale, [rows.numpy()], features.encoder
        )
        statistics.check(statistics.encoder, statistics.text)
        images = support_from_pool(features.text, features.logit_scale, rows, per_class)
        source = f"pool, {per_class} a class"
    labelled = pool is None and features.support_labelled
    evidence = dataclasses.replace(
        evidence_of(features, images, validation, labelled=labelled), pool=statistics
    )
    named = methods if isinstance(methods, Mapping) else usable_methods(methods, evidence, test)
    trials = trials_of(named, tuning, validation=evidence.has_validation)
    options: dict[str, Any] = {
        "dataset": dataset,
        "shrinkage": shrinkage,
        "run": dataclasses.replace(run, seed=seed),
    }
    table = list(rows_of(evidence, test, trials[:1] if shots else trials, source, **options))
    if shots:
        table += few_shot_rows(evidence, test, trials, shots, draws, **options)
    order = list(known_methods())
    return Experiment(tuple(sorted(table, key=lambda row: order.index(row.method))), features.source, split)
