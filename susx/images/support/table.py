"""``support.parquet``: every candidate of a run, kept or rejected, with where it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from susx.errors import InputError
from susx.records import SupportRow
from susx.store.disk import whole_file

__all__ = ["KEPT", "count_reasons", "read_support", "write_support"]

KEPT = "kept"
"""Column of :func:`count_reasons` for the images that no rule rejected."""


def write_support(path: Path, rows: Iterable[SupportRow]) -> None:
    """Write rows in their order, complete or not at all. Equal rows give equal bytes.

    Parquet holds UTF-8, so a lone surrogate (half of a character, as broken JSON brings them) becomes ``?``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([_encodable(row) for row in rows], schema=_schema())
    with whole_file(path) as partial:
        pq.write_table(table, partial)


def read_support(path: Path) -> list[SupportRow]:
    """Read what :func:`write_support` wrote.

    Raises:
        InputError: there is no such file or it is another kind of table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"There is no support table at {path}; give the support.parquet of a run.")
    try:
        table = pq.read_table(path)
        added = {"path", "original_digest", "author", "page"}  # tables of older runs lack them
        missing = [name for name in _schema().names if name not in table.column_names and name not in added]
        if missing:
            raise InputError(f"{path} is not a support table: it lacks the columns {', '.join(missing)}.")
        return [
            SupportRow(**row)
            for row in table.select(
                [name for name in _schema().names if name in table.column_names]
            ).to_pylist()
        ]
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{path} is not a parquet file ({error}); give the support.parquet of a run."
        ) from error


def count_reasons(rows: Iterable[SupportRow], classes: Sequence[str] = ()) -> Mapping[str, Mapping[str, int]]:
    """Count rows by class and reason; kept rows count as ``kept``.

    Args:
        rows: the table.
        classes: classes that appear even with no row, in this order; others follow in order of appearance.
    """
    counts: dict[str, dict[str, int]] = {name: {KEPT: 0} for name in classes}
    for row in rows:
        own = counts.setdefault(row.class_name, {KEPT: 0})
        reason = row.rejected or KEPT
        own[reason] = own.get(reason, 0) + 1
    return counts


def _encodable(row: SupportRow) -> dict[str, Any]:
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in dataclasses.asdict(row).items()
    }


def _schema() -> Any:
    import pyarrow as pa

    kinds = {"seed": pa.int64(), "similarity": pa.float64(), "width": pa.int32(), "height": pa.int32()}
    return pa.schema([(f.name, kinds.get(f.name, pa.string())) for f in dataclasses.fields(SupportRow)])
