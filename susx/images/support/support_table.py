"""``support.parquet``: every candidate of a run, kept or rejected, with where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from susx.records import SupportRow
from susx.store.record_tables import read_rows, write_rows

__all__ = ["KEPT", "count_reasons", "read_support", "write_support"]

KEPT = "kept"
"""Column of :func:`count_reasons` for the images that no rule rejected."""


def write_support(path: Path, rows: Iterable[SupportRow]) -> None:
    """Write rows in their order, complete or not at all. Equal rows give equal bytes."""
    write_rows(path, SupportRow, rows)


def read_support(path: Path) -> list[SupportRow]:
    """Read what :func:`write_support` wrote, in this version or an earlier one.

    Raises:
        InputError: there is no such file or it is another kind of table.
    """
    return read_rows(path, SupportRow, "the support.parquet of a run")


def count_reasons(rows: Iterable[SupportRow], classes: Sequence[str] = ()) -> Mapping[str, Mapping[str, int]]:
    """Count rows by class and reason; kept rows count as ``kept``.

    Args:
        rows: the table.
        classes: classes that appear even with no row, in this order; others follow in order of appearance.
    """
    counts: dict[str, dict[str, int]] = {name: {KEPT: 0} for name in classes}
    for row in rows:
        of_class = counts.setdefault(row.class_name, {KEPT: 0})
        reason = row.rejected or KEPT
        of_class[reason] = of_class.get(reason, 0) + 1
    return counts
