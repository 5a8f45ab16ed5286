"""susx from Python: from names to a classifier, and from features to a table, without the command line and Prefect."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from susx.config import DatasetConfig
from susx.config.complaints import complaints
from susx.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from susx.classifier import Classifier
    from susx.experiment.evaluate_features import Experiment
    from susx.features.feature_set import FeatureSet
    from susx.labelling.labels import Labels
    from susx.results.format import Result

__all__ = ["Build", "build", "evaluate", "label", "load_classifier", "run_experiment"]


@dataclass(frozen=True)
class Build:
    """A finished build.

    Attributes:
        folder: the run's folder: report, classifier, support table.
        summary: what ``run.json`` holds.
    """

    folder: Path
    summary: Mapping[str, Any]

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.folder / "report.html"

    def classifier(self, **settings: Any) -> Classifier:
        """Return the headline's classifier (see :func:`load_classifier`)."""
        return load_classifier(self.summary["classifier"], **settings)

    def support(self) -> pd.DataFrame:
        """Return every candidate image, a row each: class, source, similarity, licence, and why it was rejected, or ""."""
        import pandas as pd

        return pd.read_parquet(self.folder / "support.parquet")

    def accuracies(self) -> pd.DataFrame:
        """Return a row per method and protocol: top1 with low and high, and the paired gain over zero-shot (shares of
        1); empty where nothing could be measured."""
        import pandas as pd

        return pd.DataFrame(list(self.summary["methods"]))


def build(
    dataset: str | Path | Sequence[str] | DatasetConfig,
    *,
    name: str = "names",
    mode: str = "retrieve",
    profile: str = "demo",
    prompts: str | None = None,
    per_class: int | None = None,
    store: str | Path = "susx-store",
    data_root: str | Path | None = None,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    evaluate: bool = True,
) -> Build:
    """Build a support set and a classifier; only what is stale in ``store`` is computed, in this process.

    Args:
        dataset: class names; or a data set's name, the path of its YAML, its configuration.
        name: of the data set, where class names are given.
        mode: ``retrieve``, ``generate``, or both with a comma.
        profile: name or path of a profile.
        prompts: photo, ensemble or cupl; None: the profile's own.
        per_class: support images a class; None: the profile's own.
        store: folder of artefacts, or ``s3://bucket/prefix``.
        data_root: folder of the target's images, to measure on.
        seed: root of everything random.
        settings: dotted keys of the profile -> values, as ``{"methods.tip_x.alpha": 2}``.
        evaluate: whether to measure where there are labelled images.

    Raises:
        ConfigError: an unknown name, a bad value, duplicate or empty class names.
        SusxError: what the command line would refuse, in the same words.
    """
    from susx.home import ensure_home

    ensure_home()
    from susx.pipeline.executors import InlineExecutor
    from susx.pipeline.graph import build as walk
    from susx.pipeline.plan import BuildOptions, plan_build
    from susx.pipeline.run_folder import finish_run
    from susx.pipeline.run_record import StageRecord
    from susx.store import open_store

    if isinstance(dataset, str | Path):
        named, config = str(dataset), None
    else:
        named, config = name, dataset if isinstance(dataset, DatasetConfig) else _named(name, dataset)
    options = BuildOptions(
        named, mode, profile, prompts=prompts, per_class=per_class, store=str(store),
        data_root=str(data_root) if data_root else None, seed=seed,
        settings=tuple(f"{key}={_yaml(value)}" for key, value in (settings or {}).items()), evaluate=evaluate,
    )  # fmt: skip
    opened = open_store(str(store))
    opened.check_writable()
    plan = plan_build(options, config)
    executor = InlineExecutor(opened)
    result = walk(plan, executor)
    records = []
    for stage, outcomes in groupby(executor.outcomes, key=lambda outcome: outcome.ref.stage):
        done = list(outcomes)
        records.append(StageRecord(stage, 0.0, sum(outcome.seconds for outcome in done), done))
    summary = finish_run(plan, result, records, opened)
    return Build(Path(summary["report"]).parent, summary)


def label(
    folder: str | Path,
    names: Sequence[str] | str | Path | DatasetConfig,
    *,
    out: str | Path | None = None,
    profile: str = "demo",
    pool: str | Path | None = None,
    no_pool: bool = False,
    corrections: str | Path | None = None,
    prompts: str | None = None,
    store: str | Path = "susx-store",
    settings: Mapping[str, Any] | None = None,
) -> Labels:
    """Label a folder of photographs by class names; a photograph is encoded once in its life.

    Args:
        folder: photographs, at any depth.
        names: class names; or a file with a name a line, a data set's YAML or name, its configuration.
        out: where the result is written; None: nowhere.
        profile: name or path of a profile.
        pool: folder of an index of any photographs, or one with ``features.npy``; None: the profile's own.
        no_pool: leave the profile's pool aside.
        corrections: CSV of what people said; None: that of ``out``.
        prompts: photo, ensemble or cupl; None: the profile's own.
        store: folder of artefacts.
        settings: dotted keys of the profile -> values.

    Raises:
        ConfigError: an unknown name, a bad value, class names that cannot be used.
        InputError: a folder without photographs, or a result's folder that holds something else.
        SusxError: what the command line would refuse, in the same words.
    """
    from susx.labelling.labels import Labels
    from susx.pipeline.executors import InlineExecutor
    from susx.pipeline.label_graph import label_folder
    from susx.pipeline.label_options import LabelOptions
    from susx.pipeline.label_plan import plan_label
    from susx.store import open_store

    is_file = isinstance(names, str | Path)
    listed = isinstance(names, Sequence) and not is_file
    options = LabelOptions(
        str(folder), str(names) if is_file else "", tuple(map(str, names)) if listed else (), str(out or ""), profile,  # type: ignore[arg-type]
        str(pool) if pool is not None else None, no_pool, str(corrections) if corrections is not None else None, prompts, str(store),
        tuple(f"{key}={_yaml(value)}" for key, value in (settings or {}).items()),
    )  # fmt: skip
    opened = open_store(str(store))
    opened.check_writable()
    plan = plan_label(
        options, opened, names if isinstance(names, DatasetConfig) else None, save=out is not None
    )
    labels = Labels(label_folder(plan, InlineExecutor(opened)))
    return labels if out is None else labels.save(plan.out)


def evaluate(
    features: str | Path | FeatureSet, *, pool: str | Path | None = None, **options: Any
) -> Experiment:
    """Measure methods on features: top-1 with intervals, per method and tuning protocol.

    Args:
        features: a folder of features (this project's, Tip-Adapter's, SuS-X's), or features in memory.
        pool: folder with ``features.npy`` to retrieve the support from.
        options: see :func:`susx.experiment.evaluate_features.evaluate_features` (methods, tuning, per_class, shots, seed ...).

    Raises:
        InputError: features that cannot be used, or nothing to measure on.
        ConfigError: an unknown method or protocol.
    """
    from susx.experiment.evaluate_features import evaluate_features
    from susx.features.feature_folder import read_features

    if isinstance(features, str | Path):
        options.setdefault("dataset", Path(features).name)
        features = read_features(Path(features))
    return evaluate_features(features, pool=Path(pool) if pool is not None else None, **options)


def run_experiment(
    file: str | Path,
    out: str | Path = "result",
    *,
    store: str | Path = "susx-store",
    device: str = "auto",
    retry_failed: bool = False,
) -> Result:
    """Measure every cell of an experiment that the store does not know, and write its result: what ``susx experiment`` does, in this process.

    Args:
        file: YAML of the experiment.
        out: new folder, or the result of an earlier run.
        store: folder of the artefact store.
        device: where methods train.
        retry_failed: measure the cells again that failed before.

    Returns:
        The rows, and where the folder is; a cell that failed is a row with its reason.

    Raises:
        ConfigError: the YAML says what cannot be, or ``out`` holds something else; nothing was done.
    """
    from susx.home import ensure_home

    ensure_home()
    from susx.device import find_device
    from susx.pipeline.executors import InlineExecutor
    from susx.pipeline.experiment_graph import measure_experiment, measured_anew, plan_experiment
    from susx.pipeline.experiment_result import finish_experiment
    from susx.results.result_files import check_out
    from susx.store import open_store

    check_out(Path(out))
    opened = open_store(str(store))
    opened.check_writable()
    planned = plan_experiment(
        Path(file), command=f"susx.run_experiment({str(file)!r})", device=find_device(device)
    )
    measured = measured_anew(
        lambda: measure_experiment(planned, InlineExecutor(opened)), opened, retry_failed=retry_failed
    )
    return finish_experiment(planned, measured, opened, Path(out))


def load_classifier(folder: str | Path, **settings: Any) -> Classifier:
    """Load a classifier from its folder, or from the Hugging Face Hub.

    Args:
        folder: the ``classifier`` folder of a run, or ``hf://owner/name[@revision]``.
        settings: device, batch_size, workers.

    Raises:
        InputError: the folder is no classifier.
        DamagedArtefact: a file is missing or altered.
    """
    from susx.classifier import load_classifier as load

    return load(folder, **settings)


def _named(name: str, classes: Sequence[str]) -> DatasetConfig:
    from pydantic import ValidationError

    try:
        return DatasetConfig(name=re.sub(r"[^\w.-]+", "-", name), classes=tuple(classes))
    except ValidationError as error:
        reason = complaints(error)
        raise ConfigError(f"The class names cannot be used: {reason}.") from error


def _yaml(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)  # JSON is YAML
