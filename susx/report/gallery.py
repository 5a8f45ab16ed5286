"""Pictures of a report: support images class by class with provenance, and the images behind the confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from susx.records import SupportRow
from susx.report.model import ClassCount, Confusion, ReportData, SupportImage
from susx.report.thumbnails import Tile, budget_side, thumbnail

__all__ = ["ClassView", "ConfusionView", "Tile", "confusion_views", "counted", "gallery"]

_MOST_TILES = 5000
"""Most support pictures on one page (2 to 3 kB each); more are counted, not drawn."""

_CONFUSION_SIDE = 96


@dataclass(frozen=True)
class ClassView:
    """One class of the montage; ``hidden_*`` is how many pictures were left out to keep the page small."""

    name: str
    count: ClassCount
    kept: tuple[Tile, ...]
    rejected: tuple[Tile, ...]
    hidden_kept: int
    hidden_rejected: int


@dataclass(frozen=True)
class ConfusionView:
    """One confusion with its pictures."""

    confusion: Confusion
    tiles: tuple[Tile, ...]


def counted(data: ReportData) -> tuple[ClassCount, ...]:
    """Return ``data.counts``, or count the support images class by class, in label order."""
    if data.counts:
        return data.counts
    origins: dict[str, dict[str, int]] = {name: {} for name in data.classes}
    reasons: dict[str, dict[str, int]] = {name: {} for name in data.classes}
    for image in data.support:
        row = image.row
        table, key = (origins, row.origin) if row.kept else (reasons, row.rejected)
        counts = table.setdefault(row.class_name, {})
        counts[key] = counts.get(key, 0) + 1
    if not data.support:
        return ()
    return tuple(ClassCount(name, origins.get(name, {}), reasons.get(name, {})) for name in data.classes)


def gallery(data: ReportData) -> list[ClassView]:
    """Return the classes in label order with their thumbnails; a class without images is there too."""
    if not data.support and not data.counts:
        return []
    by_class: dict[str, tuple[list[SupportImage], list[SupportImage]]] = {
        name: ([], []) for name in data.classes
    }
    for image in data.support:
        pair = by_class.setdefault(image.row.class_name, ([], []))
        pair[0 if image.row.kept else 1].append(image)
    kept_most, rejected_most = _shares(by_class)
    shown = sum(min(len(k), kept_most) + min(len(r), rejected_most) for k, r in by_class.values())
    side = budget_side(shown)
    counts = {count.class_name: count for count in data.counts}
    return [
        ClassView(
            name,
            counts.get(name, ClassCount(name)),
            tuple(_tile(image, side) for image in kept[:kept_most]),
            tuple(_tile(image, side) for image in rejected[:rejected_most]),
            max(len(kept) - kept_most, 0),
            max(len(rejected) - rejected_most, 0),
        )
        for name, (kept, rejected) in by_class.items()
    ]


def confusion_views(confusions: Sequence[Confusion]) -> list[ConfusionView]:
    """Return the confusions with thumbnails of their test images."""
    views = []
    for confusion in confusions:
        tiles = []
        for image in confusion.images:
            sure = "" if image.confidence is None else f" with confidence {100 * image.confidence:.0f} %"
            facts = [("true class", confusion.true), ("predicted", confusion.predicted)]
            if image.confidence is not None:
                facts.append(("confidence", f"{100 * image.confidence:.1f} %"))
            if image.name:
                facts.append(("file", image.name))
            alt = f"Test image of {confusion.true}, called {confusion.predicted}{sure}"
            tiles.append(Tile(thumbnail(image.image, _CONFUSION_SIDE), alt, tuple(facts)))
        views.append(ConfusionView(confusion, tuple(tiles)))
    return views


def _shares(by_class: dict[str, tuple[list[SupportImage], list[SupportImage]]]) -> tuple[int, int]:
    """Return the most pictures per class, kept and rejected, so that the page stays within ``_MOST_TILES``."""
    room = max(_MOST_TILES // max(len(by_class), 1), 2)
    kept = max((len(k) for k, _ in by_class.values()), default=0)
    kept_most = min(kept, max(room * 3 // 4, 1))
    return kept_most, max(min(room - kept_most, 24), 1)


def _tile(image: SupportImage, side: int) -> Tile:
    row = image.row
    picture = thumbnail(image.image, side)
    fate = "kept" if row.kept else f"rejected, {_words(row)}"
    caption = row.caption or row.prompt
    missing = "" if picture else " (no picture)"
    return Tile(picture, f"{row.class_name}, {row.origin}, {fate}: {caption}{missing}", tuple(_facts(row)))


def _facts(row: SupportRow) -> list[tuple[str, str]]:
    facts = [("class", row.class_name), ("origin", row.origin), ("prompt", row.prompt)]
    optional = (
        ("rejected by", _words(row)),
        ("because", row.detail),
        ("caption", row.caption),
        ("similarity", None if row.similarity is None else f"{row.similarity:.3f}"),
        ("seed", None if row.seed is None else str(row.seed)),
        ("address", row.url),
        ("file", row.shared().path),
        ("model", row.model),
        ("author", row.author),
        ("licence", row.licence),
        ("source page", row.page),
        ("NSFW", row.nsfw),
        ("size", f"{row.width} × {row.height}" if row.width else None),
        ("sha256", row.digest[:12]),
        ("sha256 of the original", (row.original_digest or "")[:12]),
    )
    return facts + [(name, value) for name, value in optional if value]


def _words(row: SupportRow) -> str:
    return row.rejected.replace("_", " ")
