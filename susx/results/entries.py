"""The number of an entry of a table: the mean of its rows over draws and data sets, its interval, its paired gain."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from susx.errors import InputError
from susx.evaluation.comparison import compare
from susx.evaluation.pooled import over_draws, pooled_mean
from susx.experiment.result_rows import Row
from susx.methods import REFERENCE
from susx.results.format import Result
from susx.results.image_predictions import ImagePredictions, read_images
from susx.store.disk import facts_of

__all__ = ["Entry", "Measures", "check_same_inputs", "entry_of"]


@dataclass(frozen=True)
class Entry:
    """One entry. Shares are of 1; None where there is none.

    Attributes:
        value, low, high: what is shown, and its 95 % interval.
        gain, gain_low, gain_high, p_value: against the reference on the same images.
        n: images, each counted once; of all data sets together.
        rows: what it is the mean of.
        reason: why there is no value, or "".
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    p_value: float | None = None
    n: int = 0
    rows: tuple[Row, ...] = ()
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether a cell of it has no number; without one it may lack a data set."""
        return any(row.reason for row in self.rows)


@dataclass(frozen=True)
class Measures:
    """What entries are made from.

    Attributes:
        results: by row.
        rows: all rows that a reference may be among.
        value: field of a row that is shown: top1, ece, auroc ...
        against: method that gains are over.
    """

    results: dict[int, Result]
    rows: tuple[Row, ...]
    value: str = "top1"
    against: str = REFERENCE

    def predictions(self, row: Row) -> ImagePredictions | None:
        """Return what was said of every image of a row; None where it was not kept."""
        file = self.results[id(row)].images_of(row)
        return None if file is None else _read(file, tuple(facts_of(file)) if file.is_file() else ())

    def reference(self, row: Row, predictions: ImagePredictions) -> np.ndarray | None:
        """Return which of a row's images the reference gets right; None without one on the same images."""
        if self.against == REFERENCE:
            return predictions.zero_shot_right
        fitting = [
            other for other in self.rows
            if other.method == self.against and not other.reason and (other.dataset, other.regime, other.seed) == (row.dataset, row.regime, row.seed)
            and other.shots in (row.shots, None) and other.draw in (row.draw, None) and other.tuning in (row.tuning, "-", "fixed")
        ]  # fmt: skip
        # The one nearest to the row: what has the same tuning, access, shots and draw goes first.
        fitting.sort(
            key=lambda o: (
                o.tuning != row.tuning,
                o.access != row.access,
                o.shots != row.shots,
                o.draw != row.draw,
            )
        )
        theirs = self.predictions(fitting[0]) if fitting else None
        if theirs is None or len(theirs.images) != len(predictions.images):
            return None
        order, ours = np.argsort(theirs.images), np.argsort(predictions.images)
        if not np.array_equal(theirs.images[order], predictions.images[ours]):
            return None
        right = np.empty(len(ours), dtype=bool)
        right[ours] = theirs.right[order]
        return right


@functools.lru_cache(maxsize=512)
def _read(file: Path, facts: tuple[int, ...]) -> ImagePredictions:
    """Read a file once; with other facts it is another one."""
    return read_images(file)


def entry_of(rows: Sequence[Row], datasets: Sequence[str], measures: Measures) -> Entry:
    """Return the entry of rows that differ by draw, seed and data set alone.

    Args:
        rows: its rows.
        datasets: data sets that the mean is over; where one is missing there is no mean.
        measures: what is shown of them.
    """
    if not rows:
        return Entry()
    reasons = [row.reason for row in rows if row.reason]
    if reasons:
        return Entry(rows=tuple(rows), reason=reasons[0])
    by = {name: [row for row in rows if row.dataset == name] for name in datasets}
    if lacking := [name for name, held in by.items() if not held]:
        return Entry(rows=tuple(rows), reason=f"not measured on {', '.join(lacking)}")
    if measures.value != "top1":
        values = [[getattr(row, measures.value) for row in held] for held in by.values()]
        if any(value is None for held in values for value in held):
            return Entry(rows=tuple(rows), reason=f"no {measures.value} was measured")
        return Entry(float(np.mean([np.mean(held) for held in values])), n=_images(by), rows=tuple(rows))
    if len(rows) == 1:
        return _alone(rows[0], measures)
    return _pooled(by, measures, rows)


def _alone(row: Row, measures: Measures) -> Entry:
    """Return the entry of one row: its own interval, McNemar's p."""
    if measures.against == REFERENCE:
        return Entry(
            row.top1, row.low, row.high, row.gain, row.gain_low, row.gain_high, row.p_value, row.n, (row,)
        )  # fmt: skip
    answers = measures.predictions(row)
    reference = (
        None if answers is None or row.method == measures.against else measures.reference(row, answers)
    )
    if answers is None or reference is None:
        return Entry(row.top1, row.low, row.high, n=row.n, rows=(row,))
    paired = compare(torch.from_numpy(reference), torch.from_numpy(answers.right), row.seed or 0)
    return Entry(
        row.top1, row.low, row.high, paired.gain, paired.low, paired.high, paired.p_value, row.n, (row,)
    )  # fmt: skip


def _pooled(by: dict[str, list[Row]], measures: Measures, rows: Sequence[Row]) -> Entry:
    answers = {name: [measures.predictions(row) for row in held] for name, held in by.items()}
    value = float(np.mean([np.mean([row.top1 for row in held]) for held in by.values()]))  # type: ignore[misc]
    if any(one is None for held in answers.values() for one in held):
        # Without what was said of every image there is a mean and no interval.
        return Entry(value, n=_images(by), rows=tuple(rows))
    rights, gains = [], []
    for name, held in answers.items():
        measured = [one for one in held if one is not None]
        images = [one.images for one in measured]
        rights.append(over_draws(images, [one.right for one in measured]))
        references = [
            None if row.method == measures.against else measures.reference(row, one)
            for row, one in zip(by[name], measured, strict=True)
        ]
        if all(reference is not None for reference in references):
            differences = [
                one.right.astype(float) - ref for one, ref in zip(measured, references, strict=True)
            ]
            gains.append(over_draws(images, differences))
    mean = pooled_mean(rights)
    gain = pooled_mean(gains) if len(gains) == len(rights) else None
    entry = Entry(mean.value, mean.low, mean.high, n=sum(len(table) for table in rights), rows=tuple(rows))
    if gain is None:
        return entry
    return dataclasses.replace(
        entry, gain=gain.value, gain_low=gain.low, gain_high=gain.high, p_value=gain.p_value
    )


def _images(by: dict[str, list[Row]]) -> int:
    return sum(max(row.n for row in held) for held in by.values())


def check_same_inputs(results: Sequence[Result]) -> None:
    """Refuse results whose data sets of one name are not the same files.

    Raises:
        InputError: names the data set.
    """
    seen: dict[str, object] = {}
    for result in results:
        for entry in result.facts.get("inputs") or ():
            name, files = entry.get("data_set"), (entry.get("files") or {}).get("features")
            if name is not None and seen.setdefault(name, files) != files:
                raise InputError(
                    f"The results measured '{name}' on different files: their rows cannot stand in one table. Measure it again."
                )
