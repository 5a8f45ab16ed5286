"""An experiment on a folder of features: what ``susx evaluate`` measures, for commands, flows and the Python API."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.errors import ConfigError, InputError
from susx.experiment.cell import Cell, MeasuredCell, measure_cell
from susx.experiment.cell_access import access_of
from susx.experiment.data import DataSet
from susx.experiment.result_rows import DRAWS, Row, mean_row, usable_methods
from susx.experiment.trials import Trial, trials_of
from susx.features.feature_set import FeatureSet
from susx.methods import Need, Run, known_methods
from susx.methods.access import Access

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Experiment", "evaluate_features"]


@dataclass(frozen=True)
class Experiment:
    """What was measured.

    Attributes:
        rows: in the order of tables; of several draws of the shots their mean.
        source: of the features.
        split: the images measured on.
        cells: what the rows are made of, with what was said of every image.
    """

    rows: tuple[Row, ...]
    source: str
    split: str
    cells: tuple[MeasuredCell, ...] = field(default=(), repr=False)

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
        dataset: name of the data set, in rows and where a paper publishes search grids per data set.
        run: device and folder of checkpoints, for methods that train; its seed is ``seed``.

    Raises:
        ConfigError: a pool and shots at once, an unknown method or protocol.
        InputError: no labelled images to measure on, more shots than any class has, no draw.
    """
    if pool is not None and shots:
        raise ConfigError("--pool and --shots are two sources of support: give one of them.")
    if draws < 1:
        raise InputError(f"Few-shot rows need at least one draw of the shots, found {draws}.")
    data = DataSet(dataset or "", features, pool, per_class)
    validation, test, split = data.splits(seed)
    granted = _granted(features, pool, shots)
    evidence = data.evidence(granted - {"validation"}, None, None, seed)
    named = methods if isinstance(methods, Mapping) else usable_methods(methods, evidence, test)
    trials = trials_of(named, tuning, validation=validation is not None)

    def cells(trial: Trial) -> Iterator[list[Cell]]:
        access = access_of(trial.method, trial.tuning, granted)
        one = Cell(
            data.name, trial.method.name, named.get(trial.method.name) or {}, trial.tuning, access, seed=seed,
            shrinkage=shrinkage, grids=dataset,
        )  # fmt: skip
        if not shots or trial.method.name == trials[0].method.name:
            yield [one]
            return
        if Need.SUPPORT in trial.method.needs:
            for count in shots:
                drawn = range(1, 1 + draws) if count < data.most_shots() else [None]
                yield [dataclasses.replace(one, shots=count, draw=draw) for draw in drawn]

    measured = [
        [measure_cell(cell, data, run) for cell in group] for trial in trials for group in cells(trial)
    ]
    order = list(known_methods())
    measured.sort(key=lambda group: order.index(group[0].row.method))
    return Experiment(
        tuple(mean_row(group) for group in measured), features.source, split,
        tuple(cell for group in measured for cell in group),
    )  # fmt: skip


def _granted(features: FeatureSet, pool: Path | None, shots: Sequence[int]) -> frozenset[Access]:
    """Return all that there is to look at; methods are held to what they declare."""
    granted: set[Access] = {"names", "folder", "stream", "validation"}
    if pool is not None or (features.support is not None and not features.support_labelled and not shots):
        granted.add("pool")
    elif features.support is not None or shots:
        granted.add("shots")
    return frozenset(granted)
