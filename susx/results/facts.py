"""What a result was made from: digests of its inputs, versions, the machine, the command."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from susx.store import FileDigests
from susx.types import Digest, Json

__all__ = ["command_line", "digests_of", "made_with"]

_LIBRARIES = ("susx", "torch", "numpy", "scikit-learn", "scipy", "pyarrow")
_file_digests = FileDigests()


def digests_of(path: Path) -> Mapping[str, Digest]:
    """Return the sha256 of a file, or of each file directly in a folder, by name."""
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return {file.name: _file_digests(file) for file in files if not file.name.startswith(".")}


def command_line() -> str:
    """Return the command this process was started by, its program by name alone."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def made_with(command: str) -> dict[str, Json]:
    """Return versions, machine, command and time."""
    return {
        "versions": {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _LIBRARIES}},
        "machine": {
            "system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count(),
            "processor": _processor(), "accelerator": _accelerator(),
        },
        "command": command,
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
