"""The review's server on this machine: until interrupted for the command, in a thread for Python."""

from __future__ import annotations

import getpass
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from susx.errors import ServerError
from susx.labelling.label_result import LabelResult
from susx.labelling.review.server import create_app
from susx.labelling.review.session import ReviewSession
from susx.labelling.review.tile_pictures import Pictures

__all__ = ["ReviewServer"]

_PATIENCE = 60.0
"""Seconds a server in a thread has to begin and to end."""


class ReviewServer:
    """A page to look through labels and answer; with ``with`` it ends where the block does.

    Attributes:
        address: of the page.
        photographs: folder of the pictures that it shows.
    """

    def __init__(
        self, labelled: LabelResult, *, port: int = 0, who: str | None = None, photos: Path | None = None
    ) -> None:
        """Take the port; nothing is answered yet.

        Args:
            labelled: a result that lies in a folder, which is where answers go.
            port: 0 takes a free one.
            who: name that answers are given under; None: the login.
            photos: folder of the photographs, where they were moved since.

        Raises:
            InputError: the file of answers is damaged.
            ServerError: the port is taken.
        """
        import uvicorn

        assert labelled.folder is not None
        self.photographs = photos or Path(labelled.record.folder)
        session = ReviewSession(labelled)
        session.summary()  # a damaged file of answers is said here, in one paragraph
        self._listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listening.bind(("127.0.0.1", port))
        except OSError as error:
            self._listening.close()
            raise ServerError(
                f"Cannot listen on 127.0.0.1:{port} ({error}). Give a free port, or none."
            ) from error
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self._ready: Callable[[], None] = lambda: None
        self._thread: threading.Thread | None = None

        class Server(uvicorn.Server):
            async def startup(server, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                threading.Thread(target=session.warm, daemon=True).start()
                self._ready()

        pictures = Pictures(self.photographs, labelled.folder / ".pictures")
        app = create_app(session, pictures, who or getpass.getuser())
        self._server = Server(
            uvicorn.Config(app, ws="none", log_level="error", access_log=False, timeout_graceful_shutdown=2)
        )

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until interrupted; ``ready`` is called once the page answers."""
        self._ready = ready
        self._server.run(sockets=[self._listening])

    def start(self) -> ReviewServer:
        """Serve in a thread, and return when the page answers.

        Raises:
            ServerError: it did not begin.
        """
        began = threading.Event()
        self._ready = began.set
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listening]}, daemon=True
        )
        self._thread.start()
        if not began.wait(_PATIENCE):
            self.close()
            raise ServerError(f"The review did not begin within {_PATIENCE:.0f} seconds. Try again.")
        return self

    def close(self) -> None:
        """End the server; every answer is on the disk already."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self._listening.close()

    def __enter__(self) -> ReviewServer:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
