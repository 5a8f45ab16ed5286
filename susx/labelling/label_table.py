"""The table of labels: its columns, and the three forms it is written in.

``labels.jsonl`` is the one that loses nothing: a file's name need not be UTF-8, which CSV and parquet have to be.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from susx.errors import InputError
from susx.printable import for_cell, for_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "as_csv",
    "as_jsonl",
    "as_parquet",
    "checked",
    "csv_of",
    "from_jsonl",
    "jsonl_of",
    "left_out_csv",
]

COLUMNS: dict[str, str] = {
    "path": "object",
    "label": "object",
    "probability": "float64",
    "second": "object",
    "second_probability": "float64",
    "margin": "float64",
    "none_of_these": "float64",
    "group": "int64",
    "by_person": "bool",
    "digest": "object",
}
"""Column -> type of numpy. ``path`` is relative to the folder where it lies below it; ``label`` is "" for none of these;
``second`` is "" where there is one class; ``margin`` is the probability less the second; ``none_of_these`` is a score between 0 and 1;
near-duplicates share a ``group``; ``by_person`` is true where a person said the label; ``digest`` is the sha256 of the file's bytes."""

_DIGITS = 6


def checked(frame: pd.DataFrame, name: str = "The table of labels") -> pd.DataFrame:
    """Return the columns of a table of labels, in their order and types.

    Raises:
        InputError: a column is missing or holds values of another kind.
    """
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise InputError(
            f"{name} lacks the columns {', '.join(missing)}. Label the folder again: susx label FOLDER."
        )
    try:
        return frame[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} holds values of another kind ({error}). Label the folder again.") from error


def as_jsonl(frame: pd.DataFrame) -> bytes:
    """Return one JSON object a line."""
    return jsonl_of(frame.to_dict(orient="records"))


def jsonl_of(rows: Iterable[Mapping[Any, Any]]) -> bytes:
    """Return rows of Python's own values as one JSON object a line."""
    return "".join(for_json(json.dumps(_rounded(row), ensure_ascii=False)) + "\n" for row in rows).encode()


def from_jsonl(data: bytes, name: str) -> pd.DataFrame:
    """Return the table that ``as_jsonl`` wrote.

    Raises:
        InputError: it is something else; ``name`` says what.
    """
    import pandas as pd

    try:
        rows = [json.loads(line) for line in data.splitlines() if line.strip()]
        frame = pd.DataFrame(rows, columns=list(COLUMNS) if not rows else None)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{name} is no table of labels ({error}). Label the folder again: susx label FOLDER."
        ) from error
    return checked(frame, name)


def as_csv(frame: pd.DataFrame) -> bytes:
    """Return a CSV that no spreadsheet takes for formulas."""
    return csv_of(frame.to_dict(orient="records"))


def csv_of(rows: Iterable[Mapping[Any, Any]]) -> bytes:
    """Return rows of Python's own values as such a CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = [for_cell(row[column]) for column in COLUMNS]
        writer.writerow([f"{cell:.{_DIGITS}f}" if isinstance(cell, float) else cell for cell in cells])
    return file.getvalue().encode()


def left_out_csv(reasons: Mapping[str, str]) -> bytes:
    """Return path and reason of the files that are no row, as CSV; a path's bytes are those of the file's name."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([("path", "reason"), *reasons.items()])
    return file.getvalue().encode("utf-8", "surrogateescape")


def as_parquet(frame: pd.DataFrame) -> bytes:
    """Return a parquet file; half a character of a file's name becomes ``?``."""
    file = io.BytesIO()
    text = [column for column, kind in COLUMNS.items() if kind == "object"]
    written = frame.assign(
        **{c: [value.encode("utf-8", "replace").decode() for value in frame[c]] for c in text}
    )
    written.to_parquet(file, index=False)
    return file.getvalue()


def _rounded(row: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
    return {key: round(value, _DIGITS) if isinstance(value, float) else value for key, value in row.items()}
