"""What tells the images of a split from others, whatever their order."""

from __future__ import annotations

from susx.config import DatasetConfig
from susx.datasets import TargetSplit
from susx.demo.drawing import drawing_digest
from susx.store import digest_json
from susx.types import Json

__all__ = ["by_name", "split_identity"]


def by_name(split: TargetSplit) -> TargetSplit:
    """Return a split in the order of its names and labels: its identity knows no order, so nothing made of it may."""
    order = sorted(range(len(split)), key=lambda at: (split.names[at], split.labels[at]))
    items, names = tuple(split.items[at] for at in order), tuple(split.names[at] for at in order)
    return TargetSplit(items, names, split.cut)


def split_identity(dataset: DatasetConfig, split: TargetSplit) -> Json:
    """Fingerprint a split by names, classes, sizes and times of its files; reading every image would take too long."""
    rows = []
    for name, path, label in zip(split.names, split.paths, split.labels, strict=True):
        # A listed file that is not there is an unreadable image like any other.
        stat = path.stat() if path is not None and path.exists() else None
        rows.append(
            [name, dataset.classes[label], stat.st_size if stat else 0, stat.st_mtime_ns if stat else 0]
        )
    drawn = {"drawing": drawing_digest()} if any(path is None for path in split.paths) else {}
    return {"images": len(rows), "content": digest_json(sorted(rows)), **drawn}
