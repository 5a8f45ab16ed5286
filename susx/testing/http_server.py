"""What the servers of tests share: a thread on 127.0.0.1 at a free port, from ``with`` to its end."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["LoopbackServer", "QuietHandler"]

Server = TypeVar("Server", bound="LoopbackServer")


class QuietHandler(BaseHTTPRequestHandler):
    """A handler that knows its server and prints nothing."""

    state: Any

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    """Connections that may wait; with Python's 5 the sixth of a moment is dropped, and its client tries again after a second."""


class LoopbackServer:
    """Serves while its ``with`` block lasts; a subclass gives the handler, whose ``state`` is the server.

    Attributes:
        lock: held while counts are changed.
        closing: set when the server stops, so that handlers that wait wake up.
        host: address and port.
    """

    def __init__(self, handler: type[QuietHandler]) -> None:
        self.lock = threading.Lock()
        self.closing = threading.Event()
        bound = type("Bound", (handler,), {"state": self})
        self._server = _Server(("127.0.0.1", 0), bound)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.host = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self: Server) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
