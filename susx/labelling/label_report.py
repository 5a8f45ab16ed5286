"""``report.html`` of a labelled folder: one file that shows what the folder holds, and where the labels are in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from susx.errors import StoreError
from susx.labelling.label_record import LabelRecord
from susx.labelling.label_table import COLUMNS
from susx.printable import for_terminal
from susx.report.environment import environment, toy_words
from susx.report.thumbnails import Thumbnail, Tile, thumbnail
from susx.store import write_atomically

if TYPE_CHECKING:
    from susx.labelling.label_result import LabelResult

__all__ = ["PAGE", "render_columns", "render_page", "write_page"]

Columns: TypeAlias = Mapping[str, np.ndarray]

PAGE = "report.html"

_SIDE = 88
_MOST_TILES = 900
"""Pictures on the page, some 3 kB and some milliseconds each."""
_PER_END = 8
"""Most pictures of a class's surest, and of its most doubtful."""
_BINS = 10


@dataclass(frozen=True)
class ClassPart:
    """A class: how much of the folder it has, its surest and its most doubtful images."""

    name: str
    images: int
    by_people: int
    share: float
    low: float
    high: float
    mean: float
    sure: tuple[Tile, ...]
    doubtful: tuple[Tile, ...]


@dataclass(frozen=True)
class Bin:
    """Images whose label has a probability in a range."""

    range_text: str
    images: int
    width: float


@dataclass(frozen=True)
class Group:
    """Images that no name explains."""

    images: int
    tiles: tuple[Tile, ...]
    proposals: tuple[str, ...] = ()
    """Captions of the pool's images that look like them."""


def write_page(result: LabelResult) -> Path:
    """Write the page beside the labels.

    Raises:
        StoreError: it cannot be written.
    """
    assert result.folder is not None
    path = result.folder / PAGE
    try:
        write_atomically(path, render_page(result).encode("utf-8", "replace"))
    except OSError as error:
        raise StoreError(
            f"The report cannot be written to {path}: {error}. The labels are written."
        ) from error
    return path


def render_page(result: LabelResult) -> str:
    """Return the whole page; it asks the network for nothing."""
    from susx.evaluation.interval import bootstrap_interval

    columns = {name: result.frame[name].to_numpy() for name in COLUMNS}
    groups = _groups(result)
    proposals = [_proposals(result, group) for group in groups]
    return render_columns(
        result.record,
        columns,
        result.left_out,
        groups=groups,
        proposals=proposals,
        interval=bootstrap_interval,
    )


def render_columns(
    record: LabelRecord,
    columns: Columns,
    left_out: Mapping[str, str],
    *,
    groups: Sequence[Sequence[int]] = (),
    proposals: Sequence[tuple[str, ...]] = (),
    interval: Callable[[int, int], tuple[float, float]] | None = None,
) -> str:
    """Return the page of a table, needing neither pandas nor scipy.

    Args:
        record: what holds for all labels.
        columns: of the table (``table.COLUMNS``), as arrays.
        left_out: path -> reason of each file that is no row.
        groups: places of images that no name explains.
        proposals: of each group, what it may be.
        interval: (count, n) -> ends of the share's interval; None shows none.
    """
    images, label = len(columns["label"]), columns["label"]
    shown = np.sort(np.unique(columns["group"], return_index=True)[1])
    names = [name for name in (*record.classes, "") if (label == name).any()]
    per_end = max(1, min(_PER_END, _MOST_TILES // max(1, 2 * len(names))))
    ends = {name: _ends(columns, shown[label[shown] == name], per_end) for name in names}
    by_model = shown[~columns["by_person"][shown]]
    outsiders = by_model[np.argsort(-columns["none_of_these"][by_model], kind="stable")][
        : 3 * _PER_END
    ].tolist()
    wanted = [at for pair in ends.values() for end in pair for at in end]
    wanted += [*outsiders, *(at for group in groups for at in group[:_PER_END])]
    tiles = _tiles(record, columns, list(dict.fromkeys(wanted)))
    return (
        environment()
        .get_template("labels.html.j2")
        .render(
            record=record,
            title=for_terminal(Path(record.folder).name or record.folder),
            toy=toy_words() if record.toy else "",
            images=images,
            duplicates=images - len(shown),
            by_people=int(columns["by_person"].sum()),
            intervals=interval is not None,
            classes=[_class_part(columns, name, ends[name], tiles, interval) for name in names],
            empty=[name for name in record.classes if name not in names],
            bins=_histogram(columns),
            outsiders=[tiles[at] for at in outsiders],
            groups=[
                Group(len(group), tuple(tiles[at] for at in group[:_PER_END]), proposal)
                for group, proposal in zip(groups, proposals, strict=True)
            ],
            left_out=sorted(record.left_out.items()),
        )
    )


def _ends(columns: Columns, places: np.ndarray, most: int) -> tuple[list[int], list[int]]:
    """Return the places of the surest images and of the most doubtful of the rest."""
    keys = (-columns["margin"][places], -columns["probability"][places])  # the last one counts first
    order = places[np.lexsort(keys)].tolist()
    sure = order[: min(most, (len(order) + 1) // 2)]
    doubtful = order[len(sure) :][::-1][:most]
    return sure, doubtful


def _groups(result: LabelResult) -> list[list[int]]:
    from susx.labelling.unexplained import unexplained_groups

    return unexplained_groups(result.frame, result.features())[:12] if len(result) else []


def _proposals(result: LabelResult, group: Sequence[int]) -> tuple[str, ...]:
    digests = result.frame["digest"]
    proposals = (result.proposals.get(digests[at], ()) for at in group)
    return tuple(for_terminal(caption) for caption in next(filter(None, proposals), ()))


def _tiles(record: LabelRecord, columns: Columns, places: Sequence[int]) -> dict[int, Tile]:
    def picture(at: int) -> Thumbnail | None:
        return thumbnail(Path(record.folder) / columns["path"][at], _SIDE)

    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(picture, places))
    rows = ({name: values[at] for name, values in columns.items()} for at in places)
    return {at: _tile(row, shown) for at, row, shown in zip(places, rows, pictures, strict=True)}


def _tile(row: Mapping[str, Any], picture: Thumbnail | None) -> Tile:
    label, path = row["label"] or "none of these", for_terminal(row["path"])
    facts = [
        ("label", label),
        ("probability", "said by a person" if row["by_person"] else f"{row['probability']:.3f}"),
    ]
    if row["second"]:
        facts.append(("second", f"{row['second']} {row['second_probability']:.3f}"))
    facts += [("none of these", f"{row['none_of_these']:.3f}"), ("file", path)]
    return Tile(picture, f"{label}: {path}", tuple(facts))


def _class_part(
    columns: Columns,
    name: str,
    ends: tuple[list[int], list[int]],
    tiles: dict[int, Tile],
    interval: Callable[[int, int], tuple[float, float]] | None,
) -> ClassPart:
    of = columns["label"] == name
    count, images = int(of.sum()), len(of)
    low, high = (0.0, 1.0) if interval is None else interval(count, images)
    sure, doubtful = ends
    return ClassPart(
        name or "none of these", count, int(columns["by_person"][of].sum()), count / images, low, high,
        float(columns["probability"][of].mean()), tuple(tiles[at] for at in sure), tuple(tiles[at] for at in doubtful),
    )  # fmt: skip


def _histogram(columns: Columns) -> list[Bin]:
    values = columns["probability"][~columns["by_person"]]
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, 1.0))
    most = max(1, int(counts.max()))
    return [
        Bin(f"{100 * edges[at]:.0f} to {100 * edges[at + 1]:.0f} %", int(count), 100 * count / most)
        for at, count in enumerate(counts)
    ][::-1]
