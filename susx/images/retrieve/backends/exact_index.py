"""An index without a faiss file: the features themselves, memory-mapped and searched exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from susx.errors import RetrievalError

__all__ = ["ExactIndex"]


class ExactIndex:
    """``img_emb/*.npy`` behind the part of faiss's interface that searching uses: inner product, exact.

    Opening reads the files' headers. One search reads every row once, whatever the number of queries (10 million rows of width
    512 in half precision: 10 GB).

    Attributes:
        ntotal: rows.
        d: their width.
        metric_type: faiss's number of the inner product.
    """

    metric_type = 0

    def __init__(self, files: Sequence[Path]) -> None:
        """Map the files.

        Raises:
            RetrievalError: one is no matrix of numbers, or of another width.
        """
        try:
            self.parts = [np.load(file, mmap_mode="c", allow_pickle=False) for file in files]
        except (OSError, ValueError) as error:
            raise RetrievalError(
                f"{files[0].parent}: a file of features cannot be read ({error})."
            ) from error
        shapes = {part.shape[1:] for part in self.parts}
        if len(shapes) != 1 or any(part.ndim != 2 for part in self.parts):
            raise RetrievalError(
                f"{files[0].parent}: expected matrices of one width; found widths {sorted(shapes)}."
            )
        self.d = int(self.parts[0].shape[1])
        self.ntotal = sum(len(part) for part in self.parts)

    def search(self, vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return similarities and positions [queries, count] of the nearest rows, nearest first.

        Raises:
            InputError: a row is NaN, infinite or zero.
        """
        import torch

        from susx.features.pool_search import nearest_rows_of_parts

        queries = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
        best, places = nearest_rows_of_parts(queries, map(torch.from_numpy, self.parts), count)
        return best.numpy(), places.numpy()

    def row(self, position: int) -> np.ndarray:
        """Return one row [dim]."""
        for part in self.parts:
            if position < len(part):
                return np.asarray(part[position])
            position -= len(part)
        raise IndexError(position)
