"""clip-retrieval's real server on an index, in a process of its own, for as long as a ``with`` block lasts."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import requests

from susx.children import child_environment
from susx.errors import ServerError
from susx.images.fetch.worker_process import stop_group
from susx.images.retrieve.index_server import server_job

__all__ = ["IndexService"]


class IndexService:
    """Starts ``susx.images.retrieve.index_server`` on a free port of 127.0.0.1 and waits until it answers.

    Attributes:
        url: its query endpoint.
    """

    def __init__(self, folder: Path, encoder: Any, scratch: Path, *, patience: float = 300.0) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/knn-service"
        self.log = scratch / "server.log"
        self.patience = patience
        self._job = scratch / "server.json"
        self._job.write_text(json.dumps(server_job(folder, encoder, port=self.port)), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> IndexService:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "susx.images.retrieve.index_server", str(self._job)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=child_environment(),
            )  # fmt: skip
        end = time.monotonic() + self.patience
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if requests.get(f"http://127.0.0.1:{self.port}/indices-list", timeout=5).status_code == 200:
                    return self
            except requests.RequestException:
                time.sleep(0.2)
        stop_group(self._process)
        raise ServerError(f"The index server did not come up: {self.log.read_text(errors='replace')[-1500:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            stop_group(self._process)
