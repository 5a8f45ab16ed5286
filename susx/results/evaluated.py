"""What ``susx evaluate`` measured, as a result: the small case of an experiment."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from susx.experiment.cell import Cell
from susx.experiment.evaluate_features import Experiment
from susx.experiment.result_rows import Row
from susx.results.facts import command_line, digests_of, made_with
from susx.results.format import Result
from susx.results.image_predictions import write_images
from susx.results.result_files import write_result
from susx.store import digest_json
from susx.types import Json

__all__ = ["cell_name", "images_file", "result_of", "write_evaluated"]


def cell_name(cell: Cell | Row) -> str:
    """Return a name that a cell shares with no other of its data set, and that can be part of a path."""
    what: Json = [
        cell.method, cell.tuning.strip("-"), list(cell.access), cell.shots, cell.draw, cell.seed, cell.regime, dict(cell.parameters),
    ]  # fmt: skip
    parts = [cell.method, cell.tuning.strip("-"), cell.regime if cell.regime != "all" else ""]
    parts += [f"{cell.shots}-shots" if cell.shots is not None else ""]
    parts += [f"draw-{cell.draw}" if cell.draw is not None else "", digest_json(what)[:8]]
    return "-".join(filter(None, parts))


def images_file(row: Row) -> str:
    """Return the name, in the folder of a result, of the file with what was said of each image of a row."""
    folder = re.sub(r"[^\w.-]+", "_", row.dataset) or "data"
    return f"images/{folder}/{cell_name(row)}.parquet"


def result_of(experiments: Mapping[str, Experiment], files: Iterable[Path]) -> Result:
    """Return a result without files of images.

    Args:
        experiments: by the name of their data set.
        files: what was read, each with its digest.
    """
    rows = [cell.row for experiment in experiments.values() for cell in experiment.cells]
    means = [row for experiment in experiments.values() for row in experiment.rows if row.runs]
    facts = {
        "experiment": None,
        "inputs": [{"path": str(path), "files": dict(digests_of(path))} for path in dict.fromkeys(files)],
        **made_with(command_line()),
    }
    return Result(tuple(rows), facts, None, tuple(means))


def write_evaluated(
    out: Path, result: Result, experiments: Mapping[str, Experiment], class_names: Mapping[str, Sequence[str]]
) -> None:
    """Write the folder of a result, with what was said of every image.

    Raises:
        ConfigError, InputError: see ``write_result``.
    """
    images: dict[str, Callable[[Path], None]] = {}
    for name, experiment in experiments.items():
        for cell in experiment.cells:
            images[images_file(cell.row)] = functools.partial(write_images, cell, class_names[name])
    rows = tuple(dataclasses.replace(row, images=images_file(row)) for row in result.rows)
    write_result(out, dataclasses.replace(result, rows=rows), images, "")
