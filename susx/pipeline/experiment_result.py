"""From the cells of an experiment to the folder of its result."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from susx.pipeline.cell import IMAGES, ROW
from susx.pipeline.experiment_graph import Experiment, Measured
from susx.store import ArtefactStore, Ref

if TYPE_CHECKING:
    from susx.experiment.result_rows import Row
    from susx.results.format import Result

__all__ = ["finish_experiment"]


def finish_experiment(experiment: Experiment, measured: Measured, store: ArtefactStore, out: Path) -> Result:
    """Write the result of an experiment and return it.

    Raises:
        ConfigError, InputError: the folder holds something else, or cannot be written.
    """
    from susx.experiment.cell import failed_row
    from susx.results.evaluated import cell_name
    from susx.results.facts import made_with
    from susx.results.format import Result
    from susx.results.result_files import write_result

    rows: list[Row] = []
    images: dict[str, Callable[[Path], None]] = {}
    for cell, ref in zip(measured.cells, measured.refs, strict=True):
        row = failed_row(cell, measured.reasons[cell.dataset]) if ref is None else _row(store, ref)
        if ref is not None and not row.reason:
            name = f"images/{cell.dataset}/{cell_name(cell)}.parquet"
            images[name] = functools.partial(shutil.copyfile, store.path(ref, IMAGES))
            row = dataclasses.replace(row, images=name)
        rows.append(row)
    resolved = experiment.config.resolved()
    facts = {
        "experiment": resolved,
        "inputs": [
            {"data_set": name, "path": _paths(resolved, name), "files": dict(files)}
            for name, files in measured.files.items()
        ],
        **made_with(experiment.command),
    }
    result = Result(tuple(rows), facts, out)
    write_result(out, result, images, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
    return result


def _row(store: ArtefactStore, ref: Ref) -> Row:
    from pydantic import TypeAdapter

    from susx.experiment.result_rows import Row

    row: Row = TypeAdapter(Row).validate_python(json.loads(store.path(ref, ROW).read_text(encoding="utf-8")))
    return row


def _paths(resolved: dict, name: str) -> str:  # type: ignore[type-arg]
    described = resolved["datasets"][name]
    return str(described.get("features") or described.get("images"))
