"""``report.html`` of a labelled folder: one file that shows what the folder holds, and where the labels are in doubt."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from susx.errors import StoreError
from susx.evaluation.interval import bootstrap_interval
from susx.printable import for_terminal
from susx.report.gallery import Tile
from susx.report.report_page import environment, toy_words
from susx.report.thumbnails import Thumbnail, thumbnail
from susx.store import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from susx.labelling.label_result import LabelResult

__all__ = ["PAGE", "render_page", "write_page"]

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
    said: int
    share: float
    low: float
    high: float
    mean: float
    sure: tuple[Tile, ...]
    doubtful: tuple[Tile, ...]


@dataclass(frozen=True)
class Bin:
    """Images whose label has a probability in a range."""

    words: str
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
    frame, record = result.frame, result.record
    shown = frame.drop_duplicates("group")
    names = [name for name in (*record.classes, "") if (frame["label"] == name).any()]
    per_end = max(1, min(_PER_END, _MOST_TILES // max(1, 2 * len(names))))
    ends = {name: _ends(shown[shown["label"] == name], per_end) for name in names}
    outsiders = (
        shown[~shown["said"]].sort_values("none_of_these", ascending=False, kind="stable").head(3 * _PER_END)
    )
    groups = _groups(result)
    wanted = [at for pair in ends.values() for end in pair for at in end]
    wanted += [*outsiders.index, *(at for group in groups for at in group[:_PER_END])]
    tiles = _tiles(result, list(dict.fromkeys(int(at) for at in wanted)))
    return (
        environment()
        .get_template("labels.html.j2")
        .render(
            record=record,
            title=for_terminal(Path(record.folder).name or record.folder),
            toy=toy_words() if record.toy else "",
            images=len(frame),
            duplicates=len(frame) - len(shown),
            said=int(frame["said"].sum()),
            classes=[_class_part(frame, name, ends[name], tiles) for name in names],
            empty=[name for name in record.classes if name not in names],
            bins=_histogram(frame),
            outsiders=[tiles[int(at)] for at in outsiders.index],
            groups=[
                Group(len(group), tuple(tiles[at] for at in group[:_PER_END]), _proposals(result, group))
                for group in groups
            ],
            left_out=sorted(record.left_out.items()),
        )
    )


def _ends(rows: pd.DataFrame, most: int) -> tuple[list[int], list[int]]:
    """Return the places of the surest images and of the most doubtful of the rest."""
    order = rows.sort_values(["probability", "margin"], ascending=False, kind="stable").index.tolist()
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


def _tiles(result: LabelResult, places: Sequence[int]) -> dict[int, Tile]:
    frame = result.frame

    def picture(at: int) -> Thumbnail | None:
        return thumbnail(result.image(frame["path"][at]), _SIDE)

    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(picture, places))
    return {at: _tile(frame.loc[at].to_dict(), shown) for at, shown in zip(places, pictures, strict=True)}


def _tile(row: Mapping[Hashable, Any], picture: Thumbnail | None) -> Tile:
    label, path = row["label"] or "none of these", for_terminal(row["path"])
    facts = [
        ("label", label),
        ("probability", "said by a person" if row["said"] else f"{row['probability']:.3f}"),
    ]
    if row["second"]:
        facts.append(("second", f"{row['second']} {row['second_probability']:.3f}"))
    facts += [("none of these", f"{row['none_of_these']:.3f}"), ("file", path)]
    return Tile(picture, f"{label}: {path}", tuple(facts))


def _class_part(
    frame: pd.DataFrame, name: str, ends: tuple[list[int], list[int]], tiles: dict[int, Tile]
) -> ClassPart:
    of = frame[frame["label"] == name]
    low, high = bootstrap_interval(len(of), len(frame))
    sure, doubtful = ends
    return ClassPart(
        name or "none of these", len(of), int(of["said"].sum()), len(of) / len(frame), low, high, float(of["probability"].mean()),
        tuple(tiles[at] for at in sure), tuple(tiles[at] for at in doubtful),
    )  # fmt: skip


def _histogram(frame: pd.DataFrame) -> list[Bin]:
    values = frame.loc[~frame["said"], "probability"].to_numpy()
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, 1.0))
    most = max(1, int(counts.max()))
    return [
        Bin(f"{100 * edges[at]:.0f} to {100 * edges[at + 1]:.0f} %", int(count), 100 * count / most)
        for at, count in enumerate(counts)
    ][::-1]
