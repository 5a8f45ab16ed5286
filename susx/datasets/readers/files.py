"""What the file readers share: how rows become a split, and how a copy without official splits is cut."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from susx.config import ReaderConfig
from susx.datasets.labels import LabelMap
from susx.datasets.split import ImageSource, TargetSplit
from susx.seeds import derive_seed

__all__ = ["assemble", "ignored", "in_share"]

logger = logging.getLogger(__name__)


def in_share(name: str, split: str, reader: ReaderConfig) -> bool:
    """Whether an item of a copy without official splits belongs to ``split``.

    Decided by the item's name alone: ``options.val_share`` (default 0.2) of the items are val, the next
    ``options.test_share`` (default 0.3) are test: the proportions of the CoOp splits.
    """
    point = derive_seed(0, "split", name) / 2**63
    val, test = float(reader.options.get("val_share", 0.2)), float(reader.options.get("test_share", 0.3))
    return point < val if split == "val" else val <= point < val + test


def ignored(reader: ReaderConfig) -> frozenset[str]:
    """Class strings of the copy that are not part of the task (``options.ignore``, separated by ``|``)."""
    return frozenset(part for part in str(reader.options.get("ignore", "")).split("|") if part)


def assemble(
    rows: Iterable[tuple[ImageSource, str, str]], labels: LabelMap, reader: ReaderConfig, where: object
) -> TargetSplit | None:
    """Turn (source, class string, item name) into a split; None when there is no row.

    Raises:
        ConfigError: a class string that leads to no class.
    """
    skip, items, names = ignored(reader), [], []
    for source, found, name in rows:
        if found in skip:
            continue
        items.append((source, labels.label(found, where)))
        names.append(name)
    if not items:
        logger.info("%s holds no images of this split", where)
        return None
    return TargetSplit(tuple(items), tuple(names))
