"""As many threads for numba's kernels as torch has, and torch's number left as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numba
import torch

__all__ = ["threads_of_torch"]


@contextlib.contextmanager
def threads_of_torch() -> Iterator[int]:
    """Yield the number of threads that kernels run on: torch's, at most ``NUMBA_NUM_THREADS``.

    Numba, when its first kernel starts, sets OpenMP's number of threads to that of the machine, for torch too where both share
    the library. Whoever asked for one thread (``OMP_NUM_THREADS``, ``torch.set_num_threads``) would have all from then
    on, and products whose last digits are those of another number of threads.
    """
    before = torch.get_num_threads()
    try:
        most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        numba.set_num_threads(min(before, most))
        yield numba.get_num_threads()
    finally:
        torch.set_num_threads(before)
