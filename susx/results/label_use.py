"""Who looked at labels: which rows of a table, at how many images, how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from susx.experiment.result_rows import Row
from susx.methods.access import access_text
from susx.results.axes import AXES, title_of

__all__ = ["HEADER", "AuditLine", "audit_of"]


@dataclass(frozen=True)
class AuditLine:
    """What the cells of one method under one protocol, access and number of shots looked at.

    Attributes:
        method, tuning, access, shots: of the cells.
        cells: how many.
        failed: of these.
        support: labelled support images, the fewest and the most of a cell.
        validation: labelled validation images, likewise.
        looks: how often images were scored to choose hyper-parameters.
        measured: test images whose labels were read once, to measure.
    """

    method: str
    tuning: str
    access: str
    shots: str
    cells: int
    failed: int
    support: tuple[int, int]
    validation: tuple[int, int]
    looks: tuple[int, int]
    measured: tuple[int, int]

    def texts(self) -> tuple[str, ...]:
        """Return the line as a table shows it."""
        cells = f"{self.cells}" + (f" ({self.failed} failed)" if self.failed else "")
        ranges = (self.support, self.validation, self.looks, self.measured)
        return (self.method, self.tuning, self.access, self.shots, cells, *(_range(*pair) for pair in ranges))


HEADER = (
    "method", "tuning", "looks at", "shots", "cells", "labelled support images", "labelled validation images", "times scored to choose",
    "test images, each scored once",
)  # fmt: skip


def audit_of(rows: Sequence[Row]) -> tuple[AuditLine, ...]:
    """Return a line per method, protocol, access and number of shots, in the order of the rows."""
    together: dict[tuple[str, ...], dict[int, Row]] = {}
    for row in rows:
        key = (title_of(AXES["method"].of(row)), row.tuning, access_text(row.access), AXES["shots"].of(row))
        together.setdefault(key, {})[id(row)] = row
    lines = []
    for (method, tuning, access, shots), held in together.items():
        measured = [row for row in held.values() if not row.reason]
        spans = [
            _span([getattr(row, name) for row in measured])
            for name in ("labelled_images", "validation_images", "looks", "n")
        ]
        lines.append(AuditLine(method, tuning, access, shots, len(held), len(held) - len(measured), *spans))
    return tuple(lines)


def _span(values: Sequence[int]) -> tuple[int, int]:
    return (min(values), max(values)) if values else (0, 0)


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
