"""The order in which the search keeps support rows, so that class sums need no padding and no gathers.

Classes are sorted by how many support rows they have, most first. Slot k holds the k-th support row of every
class that has one; because of the sort those classes are the first ``widths[k]`` of the order. A class sum is
then one vector addition per slot, over contiguous memory, however unequal the classes are (the "jagged
diagonal" form of a sparse matrix).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

__all__ = ["Layout"]


@dataclass(frozen=True, eq=False)
class Layout:
    """Orders of classes and support rows.

    Attributes:
        classes: class ids, those with most support first, equals in their own order.
        counts: support rows per class, in class-id order.
        rows: support rows in slot order.
        widths: number of classes that have a row in each slot, never rising.
    """

    classes: Int[np.ndarray, " classes"]
    counts: Int[np.ndarray, " classes"]
    rows: Int[np.ndarray, " support"]
    widths: Int[np.ndarray, " slots"]

    @classmethod
    def of(cls, support_labels: Int[np.ndarray, " support"], class_count: int) -> Layout:
        """Return the layout of these labels.

        >>> layout = Layout.of(np.array([1, 2, 1]), 3)
        >>> layout.classes, layout.rows, layout.widths
        (array([1, 2, 0]), array([0, 1, 2]), array([2, 1]))
        """
        counts = np.bincount(support_labels, minlength=class_count)
        classes = np.argsort(-counts, kind="stable")
        column_of = np.empty(class_count, dtype=np.int64)
        column_of[classes] = np.arange(class_count)
        by_class = np.argsort(support_labels, kind="stable")
        starts = np.cumsum(counts) - counts
        slot = np.arange(len(support_labels)) - np.repeat(starts, counts)
        rows = by_class[np.lexsort((column_of[support_labels[by_class]], slot))]
        return cls(classes=classes, counts=counts, rows=rows, widths=np.bincount(slot).astype(np.int64))
