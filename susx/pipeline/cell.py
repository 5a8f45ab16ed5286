"""Stage ``cell``: one cell of an experiment. A cell that its method or its data refuse is a row with the reason."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from susx.errors import DamagedArtefact, ServerError, SourceChanged, StoreError, SusxError
from susx.pipeline.outside import Outside
from susx.pipeline.parameters import Execution, Params
from susx.pipeline.stage import Stage
from susx.store import ArtefactStore, FileDigests, Job
from susx.types import Digest, Json

__all__ = ["IMAGES", "ROW", "STAGE", "CellParams", "CellSources", "Sources", "digests_of"]

ROW, IMAGES = "row.json", "images.parquet"

_file_digests = FileDigests()


class Sources(Execution):
    """Where the files of a data set are, and which of several they are."""

    features: str
    text: str | None = None
    pool: str | None = None
    backbone: str | None = None
    support: str | None = None
    prompts: str | None = None
    shots_from: str = "support"


class CellParams(Params):
    """The cell, and the content of the files that it is measured on."""

    cell: dict[str, Json]
    method_version: int
    per_class: int
    logits: bool
    files: dict[str, dict[str, Digest]]
    """Data set, pool and the data set of outsiders -> name of each file -> sha256."""
    choices: dict[str, str]
    """Which files of a SuS-X folder that holds several, and the split that shots are from."""


class CellSources(Execution):
    """Where the data set is, and that of its outsiders."""

    data: Sources
    others: Sources | None = None
    device: str = "cpu"


def digests_of(data: Sources, others: Sources | None) -> dict[str, dict[str, Digest]]:
    """Return the sha256 of every file that a cell reads.

    Raises:
        OSError: one is not there.
    """
    named: list[tuple[str, str | None]] = [("features", data.features), ("text", data.text)]
    named += [("pool", str(Path(data.pool) / "features.npy"))] if data.pool else []
    named += [("outsiders", others.features), ("text of outsiders", others.text)] if others else []
    return {name: _of(Path(path)) for name, path in named if path}


def _of(path: Path) -> dict[str, Digest]:
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return {file.name: _file_digests(file) for file in files if not file.name.startswith(".")}


def run(job: Job, store: ArtefactStore, work: Path) -> Mapping[str, Json]:
    """Measure the cell; write its row, and what was said of every image."""
    from susx.experiment.cell import Cell, failed_row, measure_cell
    from susx.methods import Run
    from susx.results.image_predictions import write_images

    params, sources = CellParams.of(job), CellSources.of(job)
    cell = Cell(**{**params.cell, "access": tuple(params.cell["access"])})
    counts = {"cells": 1}
    try:
        data = _data_set(
            cell.dataset, params.per_class, json.dumps(params.files), sources.data, sources.others
        )
        measured = measure_cell(cell, data, Run(device=sources.device, folder=work / "checkpoints"), _fits())
        row = measured.row
        write_images(measured, data.features.class_names, work / IMAGES, logits=params.logits)
    except (StoreError, DamagedArtefact, SourceChanged, ServerError, OSError, MemoryError):
        raise  # of this run, not of the cell: it is tried again
    except Exception as error:
        reason = str(error) if isinstance(error, SusxError) else f"{type(error).__name__}: {error}"
        counts["failed"] = 1
        row = failed_row(cell, reason)
    (work / ROW).write_text(json.dumps(dataclasses.asdict(row)), encoding="utf-8")
    _drop_checkpoints(work)
    return counts


def _drop_checkpoints(work: Path) -> None:
    import shutil

    shutil.rmtree(work / "checkpoints", ignore_errors=True)


@functools.lru_cache(maxsize=1)
def _fits() -> Any:
    from susx.experiment.cell import Fits

    return Fits()


@functools.lru_cache(maxsize=4)
def _data_set(name: str, per_class: int, files: str, sources: Sources, others: Sources | None) -> Any:
    """Read a data set; cells of one process share it. ``files`` are the digests: files that change are read again."""
    from susx.experiment.data import DataSet

    pool = None if sources.pool is None else Path(sources.pool)
    return DataSet(name, read(sources), pool, per_class, None if others is None else read(others))


def read(sources: Sources) -> Any:
    """Read the features of a data set."""
    from susx.features.feature_folder import read_features

    features = read_features(
        Path(sources.features), backbone=sources.backbone, support=sources.support, prompts=sources.prompts,
        text=None if sources.text is None else Path(sources.text),
    )  # fmt: skip
    if sources.shots_from == "validation":
        return dataclasses.replace(
            features, support=features.validation, validation=None, support_labelled=True
        )
    return features


def _planned(job: Job) -> Json:
    return CellParams.of(job).files


def _now(job: Job) -> Json:
    sources = CellSources.of(job)
    return digests_of(sources.data, sources.others)


STAGE = Stage(
    "cell",
    1,
    run,
    "Measure cells",
    resumable=True,
    outside=(Outside("the features of an experiment", _planned, _now),),
)
