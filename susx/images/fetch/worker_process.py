"""Running a module of ours in a process group of its own, which never outlives us.

img2dataset and clip-retrieval print, install signal handlers, spawn processes and change registries at import; none
of that is wanted in the process that runs a flow.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from susx.children import child_environment
from susx.types import Json

__all__ = ["JobWorker", "die_with_parent", "run_worker", "stop_group"]

_PR_SET_PDEATHSIG = 1

Worker = TypeVar("Worker", bound="JobWorker")


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


class JobWorker:
    """A module of ours in a process group of its own that does one job after another: what it imports is imported once.

    It is told the paths of job files in lines on its standard input, and answers with a line each on the open file whose number is its
    argument. A context manager; the process ends with it.
    """

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        """Start the process; it imports while the caller goes on."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._answers, theirs = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs)],
                stdin=subprocess.PIPE, stdout=self._log, stderr=self._log, start_new_session=True, pass_fds=(theirs,),
                env=child_environment(environment),
            )  # fmt: skip
        except BaseException:
            os.close(self._answers)
            self._log.close()
            raise
        finally:
            os.close(theirs)

    def __enter__(self: Worker) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()  # what is done is written, and what is not would be of no use
        os.close(self._answers)
        self._log.close()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def last_lines(self, number: int) -> list[str]:
        """Return what it printed last."""
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - 65536)
        # At a place of its own: the process writes on through the same open file.
        text = os.pread(self._log.fileno(), size - start, start).decode("utf-8", errors="replace")
        return text.strip().splitlines()[-number:]

    def stop(self) -> None:
        """End the process in the middle of its work."""
        stop_group(self._process)

    def start(self, job: Path) -> None:
        """Hand over a job; the one before has to be done. A process that has ended is found by ``done``."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{job}\n".encode())
            self._process.stdin.flush()

    def done(self, seconds: float) -> int | None:
        """Wait for the job that was handed over: None while it is worked at, 0 when it is done, else the status with which the process ended."""
        ready, _, _ = select.select([self._answers], [], [], seconds)
        if not ready:
            return None
        return 0 if os.read(self._answers, 64) else self._process.wait() or 1


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
