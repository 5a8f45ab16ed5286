"""From the YAML of an experiment to its jobs: images are encoded, files fingerprinted, cells enumerated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from susx.config import ExperimentConfig, ExperimentData, load_dataset, load_profile
from susx.config.load import load_experiment
from susx.errors import InputError, SusxError
from susx.pipeline import cell as cell_stage
from susx.pipeline import encode_data_set
from susx.pipeline.cell import CellParams, CellSources, Sources, digests_of
from susx.pipeline.encode_data_set import ImageFolder, ImageFolderSource, content_of
from susx.store import ArtefactStore, Job, Ref
from susx.types import Digest

if TYPE_CHECKING:
    from susx.experiment.cell import Cell
    from susx.experiment.data import DataSet
    from susx.pipeline.executors import Executor

__all__ = ["Experiment", "Measured", "failed", "measure_experiment", "measured_anew", "plan_experiment"]


@dataclass(frozen=True)
class Experiment:
    """An experiment whose description was read and checked.

    Attributes:
        config: as resolved, paths absolute.
        file: its YAML.
        command: that asked for it, for the result.
        device: where methods train.
    """

    config: ExperimentConfig
    file: Path
    command: str = ""
    device: str = "cpu"


@dataclass(frozen=True)
class Measured:
    """What came of an experiment.

    Attributes:
        cells: in the order of the grid.
        refs: the artefact of each, None where its data set cannot be read.
        reasons: data set -> why it cannot be read.
        files: data set -> what was read of it: the kind -> name of the file -> sha256.
    """

    cells: tuple[Cell, ...]
    refs: tuple[Ref | None, ...]
    reasons: Mapping[str, str]
    files: Mapping[str, Mapping[str, Mapping[str, Digest]]]


def plan_experiment(file: Path, *, command: str = "", device: str = "cpu") -> Experiment:
    """Read the YAML of an experiment.

    Raises:
        ConfigError: it says what cannot be; nothing was done.
    """
    from susx.experiment.cell_grid import parse_access
    from susx.experiment.regimes import check_regime
    from susx.experiment.trials import method_of

    config = load_experiment(file)
    for entry in config.access:
        parse_access(entry)
    for regime in config.regimes:
        check_regime(regime)
    for method in config.methods:
        method_of(method.name, method.parameters)
    return Experiment(config, file, command, device)


def measure_experiment(experiment: Experiment, executor: Executor) -> Measured:
    """Carry an experiment out: what the store knows is not done again.

    Raises:
        ConfigError: a method that works with nothing of what is granted.
        InputError: no data set can be read.
        MismatchError: data sets of several encoders.
    """
    from susx.experiment.cell_grid import Grid, cells_of, parse_access

    config = experiment.config
    sources, reasons = _encoded(config, executor)
    data, files = _read(config, sources, reasons)
    grid = Grid(
        [(method.name, method.parameters) for method in config.methods], [parse_access(entry) for entry in config.access],
        config.tuning, config.shots, config.draws, config.seeds, config.regimes, config.shrinkage,
    )  # fmt: skip
    cells = cells_of(grid, data)
    jobs = {
        at: _job(experiment, cell, sources, files[cell.dataset])
        for at, cell in enumerate(cells)
        if cell.dataset not in reasons
    }
    done = dict(zip(jobs, executor.run(cell_stage.STAGE, list(jobs.values())), strict=True))
    return Measured(cells, tuple(done.get(at) for at in range(len(cells))), reasons, files)


def _encoded(config: ExperimentConfig, executor: Executor) -> tuple[dict[str, Sources], dict[str, str]]:
    """Return where the features of each data set are, those of images encoded first; and why there are none."""
    jobs: dict[str, Job] = {}
    sources: dict[str, Sources] = {}
    reasons: dict[str, str] = {}
    for name, data in config.datasets.items():
        if data.images is None:
            sources[name] = _sources(data, str(data.features))
            continue
        try:
            jobs[name] = _encoding(name, data)
        except (SusxError, OSError) as error:
            reasons[name] = str(error)
    if jobs:
        refs = executor.run(encode_data_set.STAGE, list(jobs.values()))
        for (name, _), ref in zip(jobs.items(), refs, strict=True):
            if ref.known:
                sources[name] = _sources(config.datasets[name], str(executor.store.folder(ref)))
    return sources, reasons


def _sources(data: ExperimentData, features: str) -> Sources:
    return Sources(
        features=features, text=data.text, pool=data.pool, backbone=data.backbone, support=data.support, prompts=data.prompts,
        shots_from=data.shots_from,
    )  # fmt: skip


def _encoding(name: str, data: ExperimentData) -> Job:
    """Return the job that encodes a folder of images.

    Raises:
        SusxError: no such folder, profile, data set or weights.
    """
    from susx.features.identity import identify_encoder

    folder, profile_name = Path(str(data.images)), data.profile or "demo"
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; expected one folder of images per class.")
    profile = load_profile(profile_name)
    encoder = identify_encoder(profile.encoder).id
    described = load_dataset(data.description) if data.description else None
    params = ImageFolder(
        images=content_of(folder),
        encoder=encoder,
        prompts=profile.prompts.model_dump(mode="json"),
        description=None if described is None else described.model_dump(mode="json"),
    )
    execution = ImageFolderSource(folder=str(folder), profile=profile_name, description=data.description)
    stage = encode_data_set.STAGE
    return Job(stage.name, stage.version, name, name, params.as_json(), {}, execution.as_json())


def _read(
    config: ExperimentConfig, sources: Mapping[str, Sources], reasons: dict[str, str]
) -> tuple[dict[str, DataSet | None], dict[str, dict[str, dict[str, Digest]]]]:
    """Read what decides which cells there are; ``reasons`` is told what cannot be read.

    Raises:
        InputError: none can be read.
        MismatchError: several encoders made them.
    """
    from susx.experiment.data import DataSet, check_together

    data: dict[str, DataSet | None] = {}
    files: dict[str, dict[str, dict[str, Digest]]] = {}
    for name, described in config.datasets.items():
        data[name], files[name] = None, {}
        if name in reasons or name not in sources:
            continue
        others = sources.get(described.outsiders) if described.outsiders else None
        try:
            pool = None if described.pool is None else Path(described.pool)
            data[name] = DataSet(name, cell_stage.read(sources[name]), pool, config.per_class)
            files[name] = digests_of(sources[name], others if "outsiders" in config.regimes else None)
        except (SusxError, OSError) as error:
            data[name], reasons[name] = None, str(error)
    if all(held is None for held in data.values()) and sources:
        raise InputError(
            f"No data set of the experiment can be read. {' '.join(dict.fromkeys(reasons.values()))}"
        )
    check_together({name: held.features for name, held in data.items() if held is not None})
    return data, files


def _job(
    experiment: Experiment,
    cell: Cell,
    sources: Mapping[str, Sources],
    files: Mapping[str, Mapping[str, Digest]],
) -> Job:
    from susx.methods import find_method
    from susx.results.evaluated import cell_name

    config = experiment.config
    described, sources_of = config.datasets[cell.dataset], sources[cell.dataset]
    others = sources.get(described.outsiders) if described.outsiders and cell.regime == "outsiders" else None
    read = {
        "features",
        "text",
        *(["pool"] if "pool" in cell.access else []),
        *(["outsiders", "text of outsiders"] if others else []),
    }
    choices = {
        key: value
        for key in ("backbone", "support", "prompts", "shots_from")
        if (value := getattr(sources_of, key))
    }
    params = CellParams(
        cell=dataclasses.asdict(cell), method_version=find_method(cell.method).version, per_class=config.per_class if "pool" in cell.access else 0,
        logits=config.logits, files={name: dict(digests) for name, digests in files.items() if name in read}, choices=choices,
    )  # fmt: skip
    execution = CellSources(
        data=sources_of if "pool" in cell.access else sources_of.model_copy(update={"pool": None}),
        others=others,
        device=experiment.device,
    )
    stage = cell_stage.STAGE
    return Job(
        stage.name, stage.version, cell.dataset, cell_name(cell), params.as_json(), {}, execution.as_json()
    )


def failed(refs: Sequence[Ref], store: ArtefactStore) -> list[Ref]:
    """Return the artefacts of cells that are a reason and no number."""
    return [
        ref
        for ref in refs
        if (manifest := store.peek(ref.stage, ref.key)) is not None and manifest.counts.get("failed")
    ]


def measured_anew(measure: Callable[[], Measured], store: ArtefactStore, *, retry_failed: bool) -> Measured:
    """Measure; where it is asked for, forget the cells that failed and measure those again."""
    measured = measure()
    if retry_failed and (again := failed([ref for ref in measured.refs if ref is not None], store)):
        for ref in again:
            store.discard(ref, float("inf"))
        measured = measure()
    return measured
