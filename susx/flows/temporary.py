"""The temporary Prefect server of one run, where no server is configured.

Prefect's own opens ``~/.prefect/prefect.db``, whoever wrote it last: a database of a newer Prefect ends it, two runs
share it, and Ctrl-C reaches it before the run. Ours has a database of its own below the user's cache folder (or, where
that cannot be written, below the store), named after Prefect's version and held by one server at a time; nobody reads
it after the run, so a database that does not open is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from susx.children import child_environment
from susx.errors import ServerError, StoreError

__all__ = ["TemporaryServer", "is_temporary"]

STARTUP_SECONDS = 120.0
"""A busy machine may take a minute to import Prefect."""

_LARGEST = 100 * 2**20
"""A database of more bytes than this starts anew: each run adds some and nobody reads them."""

_DATABASES = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")

_running: set[str] = set()


def is_temporary(url: str | None) -> bool:
    """Whether an API is that of a temporary server of this process."""
    return url in _running


class TemporaryServer:
    """A server that starts beside other work: :meth:`start` returns at once, :meth:`wait` when it serves.

    Attributes:
        url: of its API, known from the start; nobody else can take the port.
    """

    def __init__(self, store: Path) -> None:
        """Prepare a server; ``store`` is where its database goes if the user's cache folder cannot be written."""
        self.url = ""
        self._store = store
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._lock: FileLock | None = None

    def start(self) -> None:
        """Start the server's process.

        Raises:
            ServerError: neither the user's cache folder nor the store takes a database.
        """
        if self._folder is None:
            places = [platformdirs.user_cache_path("susx"), self._store]
            self._folder, self._lock = _free_folder(
                [folder / f"prefect-{version('prefect')}" for folder in places]
            )
            database = self._folder / "prefect.db"
            if database.exists() and database.stat().st_size > _LARGEST:
                self._discard()
        with socket.socket() as listening:
            port = 0 if not self.url else int(self.url.split(":")[2].split("/")[0])
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", port))
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
            program = [
                sys.executable,
                str(Path(__file__).with_name("server_process.py")),
                str(listening.fileno()),
            ]
            with (self._folder / "server.log").open("wb") as log:
                self._process = subprocess.Popen(
                    program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                    pass_fds=[listening.fileno()], env=self._environment(), cwd=self._folder, start_new_session=True,
                )  # fmt: skip
        _running.add(self.url)
        # Before Prefect is imported here: it reads the environment then.
        os.environ["PREFECT_API_URL"] = self.url

    def wait(self) -> None:
        """Return when the server serves.

        Raises:
            ServerError: it died (its own last lines are in the message) or takes too long.
        """
        if self._serves():
            return
        if not _configured_database():
            # Whatever is wrong with the database, nothing in it is needed.
            self._end()
            self._discard()
            self.start()
            if self._serves():
                return
        log_end = self._last_lines()
        self.stop()
        raise ServerError(f"The temporary Prefect server of this run ended as it started. It said: {log_end}")

    def stop(self, *, discard: bool = False) -> None:
        """End the server within seconds; with ``discard`` its database goes too. A server that has ended may be asked again."""
        self._end()
        _running.discard(self.url)
        if os.environ.get("PREFECT_API_URL") == self.url:
            del os.environ["PREFECT_API_URL"]
        if discard and self._folder is not None and not _configured_database():
            self._discard()
        if self._lock is not None:
            self._lock.release()
        self._folder = self._lock = None

    def _serves(self) -> bool:
        """Wait for the server's line. False: it died."""
        assert self._process is not None
        assert self._process.stdout is not None
        ends = time.monotonic() + STARTUP_SECONDS
        while not select.select([self._process.stdout], [], [], 0.2)[0]:
            if time.monotonic() > ends:
                log_end = self._last_lines()
                self.stop()
                raise ServerError(
                    f"The temporary Prefect server of this run did not start in {STARTUP_SECONDS:.0f} s. "
                    f"Wait for a less busy machine and run the same command again.{' It said: ' + log_end if log_end else ''}"
                )
        return self._process.stdout.readline() == b"ready\n"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _discard(self) -> None:
        assert self._folder is not None
        for path in self._folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _environment(self) -> dict[str, str]:
        settings = {
            "PREFECT_HOME": str(self._folder), "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1", "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        }  # fmt: skip
        if not _configured_database():
            settings[_DATABASES[0]] = f"sqlite+aiosqlite:///{self._folder}/prefect.db"
        return {
            name: value for name, value in child_environment(settings).items() if name != "PREFECT_API_URL"
        }

    def _last_lines(self) -> str:
        assert self._folder is not None
        log = (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        return " / ".join(lines[-3:]) or "nothing"


def _configured_database() -> bool:
    return any(os.environ.get(name) for name in _DATABASES)


def _free_folder(places: Sequence[Path]) -> tuple[Path, FileLock]:
    """Return a folder that no other server uses, and the lock that keeps it so."""
    problem: OSError | None = None
    for parent in places:
        for number in range(64):
            folder = parent / str(number)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = FileLock(str(parent / f"{number}.lock"))
                lock.acquire(blocking=False)
                (folder / ".writable").write_bytes(b"")
                return folder, lock
            except Timeout:
                continue
            except OSError as error:
                problem = error
                break
    if problem is None:
        raise ServerError(f"64 temporary Prefect servers use {places[0]} already. Wait for a build to end.")
    raise StoreError.of(problem, places[-1])
