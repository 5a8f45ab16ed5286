"""A result: rows and what they were made from, as one JSON value; in a folder also what was said of every image.

    RESULT/result.json       {"format": "susx-result", "version": 1, "experiment": as resolved, "inputs": digests, "versions", "machine",
                             "command", "started", "rows": a cell each, "means": rows that are the mean of several draws}
    RESULT/experiment.yaml   the experiment as resolved, to run it again
    RESULT/rows.parquet      the rows
    RESULT/images/*.parquet  one file a row: image, label, predicted, confidence, zero_shot_right, logits

``susx experiment`` and ``susx evaluate --out`` write the folder, ``susx evaluate --json`` its JSON alone.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from susx.config.complaints import complaints
from susx.errors import InputError
from susx.experiment.result_rows import Row
from susx.types import Json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMAT", "RESULT", "VERSION", "Result", "as_json", "is_result", "read_result", "row_json"]

FORMAT, VERSION = "susx-result", 1
RESULT = "result.json"


@dataclass(frozen=True)
class Result:
    """What was measured, and from what.

    Attributes:
        rows: a cell each; one that failed says why.
        facts: experiment, inputs, versions, machine, command, start.
        folder: where what was said of every image lies; None where it was not kept.
        means: rows that are the mean of several draws, where they were asked for.
    """

    rows: tuple[Row, ...]
    facts: Mapping[str, Json] = field(default_factory=dict)
    folder: Path | None = None
    means: tuple[Row, ...] = ()

    def images_of(self, row: Row) -> Path | None:
        """Return the file of what was said of each image of a row; None where it was not kept.

        Raises:
            InputError: the row names a file outside the result.
        """
        if self.folder is None or not row.images:
            return None
        file = self.folder / row.images
        if not file.resolve().is_relative_to(self.folder.resolve()):
            raise InputError(
                f"{self.folder}: the result names a file outside itself ({row.images}). It was altered; make it again."
            )
        return file

    def predictions(self, row: Row) -> pd.DataFrame:
        """Return what was said of every image of a row: image, label, predicted, confidence, zero_shot_right, logits.

        Raises:
            InputError: the cell failed, or nothing was kept of its images.
        """
        import pandas as pd

        name = f"{row.method} on {row.dataset or 'the features'}"
        if row.reason:
            raise InputError(
                f"There are no predictions of {name}: the cell failed ({row.reason.rstrip('.')}). Mend what it says and run again."
            )
        file = self.images_of(row)
        if file is None:
            raise InputError(
                f"There are no predictions of {name} in this result. Write a folder: susx evaluate --out, susx experiment."
            )
        try:
            return pd.read_parquet(file)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{file}: the predictions of {name} cannot be read ({error}). Run the experiment again."
            ) from error


def as_json(result: Result) -> Json:
    """Return a result as a JSON value; what is no number becomes null."""
    return {
        "format": FORMAT,
        "version": VERSION,
        **result.facts,
        "rows": [row_json(row) for row in result.rows],
        "means": [row_json(row) for row in result.means],
    }


def row_json(row: Row) -> Json:
    """Return a row as a JSON value."""
    return _finite(dataclasses.asdict(row))


def is_result(path: Path) -> bool:
    """Whether a folder or file is a result, of whatever version."""
    file = path / RESULT if path.is_dir() else path
    if not file.is_file() or file.suffix != ".json":
        return False
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and (value.get("format") == FORMAT or _of_before(value))


def read_result(path: Path) -> Result:
    """Read a result, given its folder or its JSON.

    Raises:
        InputError: there is none, it cannot be read, or it is of another version.
    """
    file = path / RESULT if path.is_dir() else path
    again = "Run susx experiment (with the same store it takes seconds) or susx evaluate again."
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"No result at {path}: expected a folder with {RESULT}, or that file.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as a result ({error}). {again}") from error
    if isinstance(value, dict) and _of_before(value):
        raise InputError(
            f"{file} was written by a susx evaluate of before results had a format of their own; it names neither inputs nor access. {again}"
        )
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f"{file} is not the {RESULT} of a result (no format '{FORMAT}'). {again}")
    if value.get("version") != VERSION:
        raise InputError(
            f"{file} is a result of version {value.get('version')!r}, this susx reads version {VERSION}. {again}"
        )
    try:
        rows, means = (_ROWS.validate_python(value.get(name)) for name in ("rows", "means"))
    except ValidationError as error:
        raise InputError(
            f"{file}: its rows are not those of a result ({complaints(error)}). {again}"
        ) from error
    facts = {name: part for name, part in value.items() if name not in ("format", "version", "rows", "means")}
    return Result(tuple(rows), facts, file.parent if file.name == RESULT else None, tuple(means))


_ROWS = TypeAdapter(list[Row])


def _of_before(value: Mapping[str, Any]) -> bool:
    return "format" not in value and {"rows", "source", "split"} <= set(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(part) for part in value]
    return value
