"""Running a module of ours in a process group of its own, which never outlives us.

img2dataset and clip-retrieval print, install signal handlers, spawn processes and change registries at import; none
of that is wanted in the process that runs a flow.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from susx.children import child_environment
from susx.types import Json

__all__ = ["die_with_parent", "run_worker", "stop_group"]

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, however it dies; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run_worker(
    module: str, job: Json, folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[int, Path]:
    """Run ``python -m module folder/job.json`` to its end.

    Returns:
        Its exit status and the file with everything it printed.
    """
    path, log = folder / "job.json", folder / "log.txt"
    path.write_text(json.dumps(job), encoding="utf-8")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(path)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env=child_environment(environment),
        )  # fmt: skip
        try:
            return process.wait(), log
        finally:
            stop_group(process)


def stop_group(process: subprocess.Popen[bytes], grace: float = 5.0) -> None:
    """Stop a process that leads its group, and what it spawned."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
