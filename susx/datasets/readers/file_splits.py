"""What the file readers share: how rows become a split, and how a copy without official splits is cut."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from susx.config import ReaderConfig
from susx.datasets.cut import TEST_SHARE, VAL_SHARE, Cut, cut_by_class
from susx.datasets.label_map import LabelMap
from susx.datasets.split import ImageSource, TargetSplit

__all__ = ["assemble", "ignored"]

logger = logging.getLogger(__name__)


def ignored(reader: ReaderConfig) -> frozenset[str]:
    """Class strings of the copy that are not part of the task (``options.ignore``, separated by ``|``)."""
    return frozenset(part for part in str(reader.options.get("ignore", "")).split("|") if part)


def assemble(
    rows: Iterable[tuple[ImageSource, str, str]],
    labels: LabelMap,
    reader: ReaderConfig,
    where: object,
    *,
    cut: str = "",
) -> TargetSplit | None:
    """Turn (source, class string, item name) into a split; None when there is no row.

    Args:
        rows: of the split; of the whole copy where it is cut here.
        labels: class strings -> labels.
        reader: its options ``val_share`` (default 0.2) and ``test_share`` (default 0.3) are the shares of each class.
        where: the rows come from, for messages.
        cut: split to keep of a copy without official ones (:mod:`susx.datasets.cut`).

    Raises:
        ConfigError: a class string that leads to no class.
    """
    skip, items, names = ignored(reader), [], []
    for source, written, name in rows:
        if written in skip:
            continue
        items.append((source, labels.label(written, where)))
        names.append(name)
    counts = None
    if cut:
        options = reader.options
        shares = float(options.get("val_share", VAL_SHARE)), float(options.get("test_share", TEST_SHARE))
        splits = cut_by_class([label for _, label in items], names, *shares)
        counts = Cut(len(splits), splits.count("val"), splits.count("test"))
        kept = [at for at, split in enumerate(splits) if split == cut]
        items, names = [items[at] for at in kept], [names[at] for at in kept]
    if not items:
        logger.info("%s holds no images of this split", where)
        return None
    return TargetSplit(tuple(items), tuple(names), counts)
