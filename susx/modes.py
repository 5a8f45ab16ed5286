"""Files with the mode that the user's umask gives.

Libraries that write beside a name and rename (safetensors, ``tempfile``) leave 0600, whatever the umask: of a folder that several
people share only who wrote a file can read it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["plain_mode", "umask"]

_AT_START = os.umask(0o077)
os.umask(_AT_START)


def umask() -> int:
    """Return the umask of this process, without setting it: other threads write files meanwhile."""
    with (
        contextlib.suppress(OSError, ValueError, StopIteration),
        open("/proc/self/status", encoding="ascii", errors="replace") as file,
    ):
        return int(next(line.split()[1] for line in file if line.startswith("Umask:")), 8)
    return _AT_START


def plain_mode(*paths: Path) -> None:
    """Give files the mode that ``open`` would have given them; one that cannot be changed stays as it is."""
    mode = 0o666 & ~umask()
    for path in paths:
        with contextlib.suppress(OSError):
            if path.stat().st_mode & 0o777 != mode:
                path.chmod(mode)
