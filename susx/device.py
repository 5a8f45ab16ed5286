"""Where torch computes: one meaning of ``auto``, one refusal of what is no device or not here, and one thread where processes have the cores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from susx.errors import ModelError

__all__ = ["find_device", "one_thread"]


def find_device(asked: str) -> str:
    """Return the device to compute on: for ``auto`` the GPU where torch sees one, else the CPU.

    Raises:
        ModelError: no device is called so, or torch sees none of its kind here.
    """
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(asked).type
    except RuntimeError as error:
        raise ModelError(f"'{asked}' is not a device: expected auto, cpu, cuda, cuda:N or mps.") from error
    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
    }
    if kind in there and not there[kind]():
        raise ModelError(
            f"The device '{asked}' was asked for, and torch sees no {kind.upper()} device here. Use cpu or auto."
        )
    return asked


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread while the block runs: beside processes that keep the cores busy, its threads wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
